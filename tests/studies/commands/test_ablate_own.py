"""``ablate`` with variants of a module in the current directory: workers find them, and a changed one is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studies.errors import InputError
from studies.execution.kinds import study_of
from studies.execution.store import Store
from studies.tasks import Text
from tests.conftest import Once
from tests.studies.conftest import Refused, arguments

OWN = """
from dataclasses import dataclass
from adaqn_lab import ADAQN, Diagonal
from adaqn_lab.bases import ScalingBase

@dataclass(frozen=True)
class Half(ScalingBase):
    def h0(self, state, curvature):
        return Diagonal(gamma=0.5)

MINE = ADAQN.but(scaling=Half(), pairs=None)
"""
MORE = f"{OWN}OTHER = ADAQN.but(guard=None)\n"


def studies(*given: str, folder: Path) -> subprocess.CompletedProcess[str]:
    place = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, "-m", "studies", *given], capture_output=True, text=True, timeout=120, check=False,
        cwd=folder, env=place,
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(once: Once, text_file: Path) -> Path:
    def make(place: Path) -> None:
        (place / "mine.py").write_text(OWN, encoding="utf-8")
        done = studies(*of_study(text_file, place), folder=place)
        assert done.returncode == 0, done.stderr
        assert "mine:MINE" in done.stdout

    return once("own", make)


def of_study(text_file: Path, folder: Path) -> list[str]:
    return [*arguments(text_file, folder / "out"), "--base", "mine:MINE", "--variants", "mine:MINE", "Adam"]


@pytest.fixture
def made(study: Path, text_file: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """The folder of ``mine.py``, and the command of the study that was run there."""
    folder = Path(shutil.copytree(study, tmp_path / "own"))
    return folder, of_study(text_file, folder)


def test_a_worker_found_it_and_its_report_needs_the_module_no_more(
    made: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, _ = made
    done = studies("report", str(folder / "out"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    recorded = studies("record", str(folder / "out"), "own", "--records", str(tmp_path), folder=tmp_path)
    assert recorded.returncode == 0, recorded.stderr
    (record,) = tmp_path.glob("*_own")
    assert "mine:MINE" in (record / "README.md").read_text(encoding="utf-8")


def test_it_goes_on_while_the_recipe_is_the_same(made: tuple[Path, list[str]]) -> None:
    folder, command = made
    (folder / "mine.py").write_text(MORE, encoding="utf-8")
    done = studies(*command, "mine:OTHER", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "mine:OTHER" in done.stdout


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("pairs=None", "guard=None", "since its mine:MINE was another method"),
        ("gamma=0.5", "gamma=0.25", "since the code of its mine:MINE was another one: bring that back, or "),
        ("MINE =", "MINES =", "he module 'mine' has no 'MINE'; did you mean MINES?"),
    ],
)
def test_a_recipe_that_changed_is_refused(
    was: str, now: str, told: str, made: tuple[Path, list[str]], refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, command = made
    (folder / "mine.py").write_text(MORE.replace(was, now), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the three texts are written within a second
    sys.modules.pop("mine", None)
    try:
        assert told in refused(*command)
    finally:
        sys.modules.pop("mine", None)


def test_where_it_cannot_be_imported_a_worker_says_so_in_one_sentence(made: tuple[Path, list[str]], text: Text) -> None:
    stored = Store(made[0] / "out", create=False).attributes["configuration"]
    assert {name: "code" in each for name, each in stored["variants"].items()}["Adam"] is False
    with pytest.raises(
        InputError, match=r"since the module 'mine' could not be imported \(.*\); go to its folder; use"
    ):
        study_of(stored, text)
