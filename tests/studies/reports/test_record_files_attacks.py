"""Records that were tampered with: each is refused in one sentence and left as it is; what is in order is taken."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.analysis.completeness import what_is_odd
from studies.analysis.summary import summary_of
from studies.execution.provenance import provenance
from studies.planning.experiment import text_for
from studies.planning.plan import Phase
from studies.reports.record_files import OF_A_STUDY, OF_ITS_ORIGIN, read_record
from studies.reports.schema import check
from studies.tasks import TASKS, Text
from tests.studies.conftest import Refused
from tests.studies.reports.attacks import ATTACKS, ENVIRONMENT, README, Attack, edit, put, raw, rows
from tests.studies.reports.made_up import experiment_of, records_of, summary_with, write_record


@pytest.fixture(scope="module")
def good(text: Text, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "good"
    write_record(summary_with(text), path)
    return path


@pytest.fixture
def record(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "record"))


def state(record: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in record.rglob("*")}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_tampered_record_is_refused_in_one_sentence(attack: Attack, record: Path, refused: Refused) -> None:
    attack(record)
    before = state(record)
    told = refused("record", "--regenerate", str(record))
    assert str(record) in told
    assert "storage failed" not in told
    assert state(record) == before


def test_a_comparison_is_refused_alike(record: Path, refused: Refused) -> None:
    put("configuration.json", "seeds", 4)(record)
    assert "seed=103 is missing" in refused("record", str(record), "--against", "Adam")


def older(lines: list[dict[str, str]]) -> None:
    """Add a run at a rate that was the best before the study grew."""
    lines.append({**lines[-1], "lr": "0.25"})


def failed(record: Path) -> None:
    """Take the last run away and say that it failed."""
    gone: list[str] = []
    rows(lambda lines: gone.append("evaluate Adam lr={lr} seed={seed}".format(**lines.pop())))(record)
    edit(ENVIRONMENT, lambda told: told.update(failed={gone[0]: "MemoryError: <b>too much</b> | all"}))(record)


IN_ORDER: dict[str, Attack] = {
    "untouched": lambda record: None,
    "no README": lambda record: (record / README).unlink(),
    "Windows' line ends": raw("rows.csv", lambda content: content.replace(b"\n", b"\r\n")),
    "a setting of a later version": put("configuration.json", "colour", "red"),
    "a setting that came later is absent": put("configuration.json", "tf32", ...),
    "evaluation at a rate that was the best before": rows(older),
    "runs that failed and are told": failed,
    "another order": rows(lambda lines: lines[::-1]),
}


@pytest.mark.parametrize("change", IN_ORDER.values(), ids=IN_ORDER.keys())
def test_what_is_in_order_is_taken(change: Attack, record: Path, good: Path) -> None:
    change(record)
    summary, errors = read_record(record)
    if not errors:
        for row, before in zip(summary.rows, read_record(good)[0].rows, strict=True):
            assert (row.lr, row.runs, row.test) == (before.lr, before.runs, before.test)


def test_failed_runs_are_told_in_the_record(record: Path) -> None:
    failed(record)
    assert main(["record", "--regenerate", str(record), "--page"]) == 0
    readme = (record / README).read_text()
    assert "## Runs that failed" in readme
    assert r"MemoryError: \<b>too much\</b> \| all |" in readme
    assert "Runs that failed" in (record / "report.html").read_text()


def test_hand_written_parts_keep_their_line_ends(record: Path) -> None:
    raw(README, lambda content: content.replace(b"\n", b"\r\n"))(record)
    assert main(["record", "--regenerate", str(record)]) == 0
    content = (record / README).read_bytes()
    assert content.startswith(b"# What?\r\n\r\nBy hand.\r\n\r\n<!--")
    assert content.endswith(b"-->\r\n\r\n## Caveats\r\n")


def test_marks_inside_a_line_are_no_marks(record: Path) -> None:
    with (record / README).open("a") as file:
        file.write("The line `<!-- end of the generated part -->` ends it.\n")
    assert main(["record", "--regenerate", str(record)]) == 0
    assert (record / README).read_text().endswith("` ends it.\n")


def test_a_study_without_rounds_has_no_further_rates(text: Text) -> None:
    experiment = experiment_of(text, rounds=0)
    configuration, records = experiment.configuration(), records_of(experiment)
    assert what_is_odd(configuration, records) == ""
    tune = next(record for record in records if record.cell.phase == Phase.TUNE)
    more = [*records, replace(tune, cell=replace(tune.cell, lr=0.5))]
    assert "tuned at no rate of the configuration" in what_is_odd(configuration, more)
    assert "is there and failed" in what_is_odd(configuration, records, [tune.cell.key])
    assert "is missing" in what_is_odd({**configuration, "rounds": 1}, records)
    assert what_is_odd(configuration, records[1:], [records[0].cell.key]) == ""


@pytest.mark.parametrize("task", TASKS)
def test_a_study_of_any_task_has_the_shape(task: str, text: Text) -> None:
    for lr in (None, (0.1, 0.3)):
        experiment = replace(
            experiment_of(text), text=text_for(task, text), task_name=task, lr=lr, model="lstm-2-dropout"
        )
        configuration = json.loads(json.dumps(experiment.configuration()))
        check(configuration, OF_A_STUDY)
        assert what_is_odd(configuration, records_of(experiment)) == ""
    check({**configuration, "kind": "ablation"}, OF_A_STUDY)
    check(json.loads(json.dumps(provenance("python -m studies", 0))), OF_ITS_ORIGIN)


def test_a_refusal_does_not_reach_the_terminal_raw(record: Path, refused: Refused) -> None:
    put("configuration.json", "variants", {"\x1b[31mred": {"method": 5, "lr": [0.1], "changes": {}}})(record)
    told = refused("record", "--regenerate", str(record))
    assert r"variants.\x1b[31mred.method is 5, not a text" in told


def test_environments_that_differ_are_all_told(text: Text, tmp_path: Path) -> None:
    plain = summary_with(text)
    changed = {"torch": "2.11.0", "commit": None, "sources": "0123456789ab", "torch_threads": 1}
    records = [replace(r, environment=changed) if r.cell.variant == "Adam" else r for r in plain.records]
    write_record(summary_of(plain.configuration, plain.provenance, records), tmp_path / "mixed")
    readme = (tmp_path / "mixed" / README).read_text()
    told = readme.partition("## Answer\n\n")[2].splitlines()[0]
    assert told.startswith("MIXED: ")
    assert "of code 0123456789ab with torch 2.11.0" in told
    assert readme.count("MIXED: ") == 2
    runs = json.loads((tmp_path / "mixed" / ENVIRONMENT).read_text())["runs"]
    assert len(runs) == 2
