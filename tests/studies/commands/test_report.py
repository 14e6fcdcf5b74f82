"""The command report: the same files from storage, and refusals."""

import shutil
from pathlib import Path

import pytest

from adaqn_lab.extras import install
from studies.__main__ import main
from studies.execution.store import JOURNAL, Store
from studies.planning.search import SearchPlan
from studies.reports import rows
from studies.tasks import Text
from tests.studies.conftest import Refused


def test_writes_the_same_page_from_the_journal_alone(
    finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(finished[0] / JOURNAL, tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.replace(str(tmp_path), str(finished[0])) == finished[1]
    for name in ("report.html", "table.csv", "rows.csv", "results.json"):
        assert (tmp_path / name).read_bytes() == (finished[0] / name).read_bytes()


@pytest.mark.parametrize("command", [["report"], ["record"]])
def test_says_what_it_cannot_report(command: list[str], text: Text, tmp_path: Path, refused: Refused) -> None:
    plan = SearchPlan(text=text, model="rnn-tanh", base="ADAQN", factors=("guard",), steps=5, seeds=1, trials=1, even=1)
    Store(tmp_path, study=plan.kind).claim_for(plan, {})
    journal = (tmp_path / JOURNAL).read_bytes()
    given = [*command, str(tmp_path), *(["name"] if command == ["record"] else [])]
    assert "is of the kind search, not an ablation: repeat the command that made it" in refused(*given)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [JOURNAL]
    assert (tmp_path / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize(
    ("attribute", "name"), [("configuration", "seeds"), ("configuration", "schedule"), ("provenance", "command")]
)
def test_refuses_a_journal_whose_settings_are_spoiled(
    attribute: str, name: str, finished: tuple[Path, str], tmp_path: Path, refused: Refused
) -> None:
    shutil.copy(finished[0] / JOURNAL, tmp_path)
    store = Store(tmp_path)
    without = {key: value for key, value in store.attributes[attribute].items() if key != name}
    store.study.set_user_attr(attribute, without)
    assert f"{name} is missing" in refused("report", str(tmp_path))
    assert not (tmp_path / "report.html").exists()


def test_refuses_where_there_is_no_study(tmp_path: Path, refused: Refused) -> None:
    assert "holds no study" in refused("report", str(tmp_path))
    assert "holds no study" in refused("report", str(tmp_path / "absent"))
    assert not (tmp_path / "absent").exists()


def test_a_directory_that_is_like_the_given_one_is_told(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "kjv-lstm-small").mkdir()
    assert "(did you mean kjv-lstm-small?)" in refused("report", str(tmp_path / "kjv-lstm-smal"))


def test_without_pyarrow_it_says_how_to_install_it(
    finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "find_spec", lambda _: None)
    shutil.copy(finished[0] / JOURNAL, tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    told = f"rows.parquet is not written, since pyarrow is not installed: {install('parquet')}, then repeat."
    assert told in capsys.readouterr().err
