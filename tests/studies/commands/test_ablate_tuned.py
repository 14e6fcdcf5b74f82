"""The command ablate with schedules, sizes and tuned fields: a small study of the protocol, its table, its growth."""

import csv
import json
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.commands.ablate import Ablate
from studies.commands.protocols import PROTOCOLS
from studies.execution.storage import JOURNAL
from studies.planning.course import Course
from studies.variants.tuned import NAMES
from tests.studies.conftest import Command, Refused

SMALL = "--steps 6 --seeds 2 --tuning-seeds 1 --rates 2 --draws 2 --hidden 8 --length 8 --batch-size 5 --ema 0.5"


def tuned(text_file: Path, out: Path, *more: str, variants: str = "Adam ADAQN", size: str = SMALL) -> list[str]:
    fixed = ["ablate", "--text", str(text_file), "--out", str(out), "--protocol", "tuned", "--workers", "1"]
    return [*fixed, *size.split(), "--variants", *variants.split(), *more]


@pytest.fixture(scope="module")
def study(text_file: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("tuned") / "study"
    done = command(*tuned(text_file, out))
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_tells_the_fields(study: tuple[Path, str]) -> None:
    out, printed = study
    assert "best fields" in printed
    assert "EMA" in printed
    told = json.loads((out / "results.json").read_text())
    assert told["configuration"]["schedule"]["decay"] == "linear"
    assert told["configuration"]["windows"]["batch_size"] == 5
    for row in told["rows"]:
        shown = " ".join(f"{name}={value:g}" for name, value in row["fields"].items()) or "own"
        assert shown in printed.replace("*", "")
        assert len(row["tried"]) == 4
        chosen = [run for run in told["runs"] if (run["phase"], run["variant"]) == ("evaluate", row["variant"])]
        assert [run.get("fields", {}) for run in chosen] == [row["fields"]] * 2
    page = (out / "report.html").read_text()
    assert "momentum=" in page
    assert "linear to zero" in page
    assert {"fields", "ema_test_loss"} <= rows(out)[0].keys()


def test_again_trains_nothing(study: tuple[Path, str], text_file: Path, called: Command) -> None:
    out, printed = study
    journal = (out / JOURNAL).read_bytes()
    again = called(*tuned(text_file, out))
    assert (again.returncode, again.stdout, again.stderr) == (0, printed, "")
    assert (out / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize(
    ("more", "variants", "left"),
    [
        (["--draws", "3"], "Adam ADAQN", "8 of 16 runs"),  # 4 to tune, and the evaluation may be elsewhere then
        (["--variants", "AdaGrad"], "Adam", "6 of 18 runs"),
        (["--seeds", "3"], "ADAQN", "2 of 14 runs"),
        (["--tune", *PROTOCOLS["tuned"].tune, "memory"], "K-FAC", "6 of 18 runs"),
        ([], "Adam", "0 of 12 runs"),
    ],
)
def test_grows(
    study: tuple[Path, str],
    text_file: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    variants: str,
    left: str,
) -> None:
    assert main([*tuned(text_file, study[0], variants=variants), *more, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(left)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--tune", "momentum"], "it tunes decay, which --tune leaves out"),
        (["--draws", "1"], "--draws 1 would be fewer"),
        (["--schedule", "cosine"], "schedule differ in decay"),
        (["--warmup", "2"], "schedule differ in warm_up"),
        (["--ema", "0.9"], "schedule differ in ema"),
        (["--hidden", "9"], "architecture differ in hidden"),
        (["--length", "9"], "windows differ in length"),
        (["--tune", *NAMES], "its Adam tunes beta1, beta2 beside the rate and would tune beta1, beta2, eps"),
    ],
)
def test_is_not_another_study(
    study: tuple[Path, str], text_file: Path, refused: Refused, more: list[str], reason: str
) -> None:
    journal = (study[0] / JOURNAL).read_bytes()
    assert reason in refused(*tuned(text_file, study[0]), *more)
    assert (study[0] / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("--schedule steps", "choose from constant, linear, cosine"),
        ("--warmup 6", "a warm-up of 6 steps does not fit in 6"),
        ("--ema 1", "decay 1.0"),
        ("--tune speed", "no field to tune named 'speed': choose from momentum"),
        ("--tune", "--tune names no field"),
        ("--tune momentum --draws 1", "--tune momentum has nothing to draw"),
        ("--tune beta1 trust", "--tune trust is for nothing: none of Adam, ADAQN has it"),
        ("--draws 0", "--draws 0"),
        ("--draws 257", "give 256 or less"),
        ("--hidden 0", "--hidden 0"),
        ("--layers -1", "--layers -1"),
        ("--length 0", "--length 0"),
        ("--batch-size 0", "--batch-size 0"),
        ("--batch-size 0 --factor pair-generator", "--batch-size 0"),
        ("--protocol best", "choose from rates, tuned"),
        ("--task adding --length 1", "give 2 or more"),
    ],
)
def test_refuses(given: str, reason: str, text_file: Path, tmp_path: Path, refused: Refused) -> None:
    assert reason in refused(*tuned(text_file, tmp_path / "study"), *given.split())
    assert not (tmp_path / "study").exists()


def test_the_protocol_is_defaults_only(text_file: Path) -> None:
    plain = Ablate(text=text_file).experiment()
    assert (plain.draws, plain.tune, plain.course) == (1, (), Course())
    protocol = PROTOCOLS["tuned"]
    made = Ablate(text=text_file, protocol="tuned").experiment()
    assert tuple(made.chosen) == protocol.variants
    assert (made.draws, made.tune, made.course) == (protocol.draws, protocol.tune, Course(schedule="linear"))
    assert (made.budget.seeds, made.budget.rates, made.budget.tuning_seeds) == (10, 5, 2)
    assert len({len(trials.choices) for trials in made.plan.trials.values()}) == 1
    given = Ablate(
        text=text_file, protocol="tuned", schedule="constant", draws=2, tune=("eps",), seeds=3, variants=("Adam",)
    ).experiment()
    assert (given.draws, given.tune, given.course, given.budget.seeds) == (2, ("eps",), Course(), 3)
    assert tuple(given.chosen) == ("Adam",)
    alone = Ablate(text=text_file, protocol="tuned", draws=1).experiment()
    assert (alone.draws, alone.tune) == (1, ())
    factor = Ablate(text=text_file, protocol="tuned", factor="guard").experiment()
    assert "ADAQN-no-guard" in factor.chosen
    assert "Muon" not in factor.chosen


def test_the_directory_is_named_after_the_protocol(text_file: Path) -> None:
    options = Ablate(text=text_file, protocol="tuned")
    assert options.directory(options.experiment()) == Path("runs/made-up-lstm-tuned-small")
    other = Ablate(text=text_file, protocol="tuned", hidden=8)
    assert other.directory(other.experiment()).name.startswith("made-up-lstm-tuned-small-")


def test_a_factor_s_levels_are_of_the_real_batch_size(text_file: Path) -> None:
    made = Ablate(text=text_file, factor="fisher-normalisation", batch_size=7).experiment()
    assert made.task.batch_size == 7
    assert any("batch_size=7" in repr(variant.method) for variant in made.chosen.values())
    assert not any("batch_size=50" in repr(variant.method) for variant in made.chosen.values())
