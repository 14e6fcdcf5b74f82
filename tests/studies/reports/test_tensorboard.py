"""Runs for TensorBoard: read back with its own reader they are the curves, once, whatever the variants are called."""

import re
import sys
from pathlib import Path

import pytest

from adaqn_lab.extras import install
from studies.__main__ import main
from studies.analysis.summary import Summary
from studies.errors import InputError
from studies.execution.storage import JOURNAL
from studies.reports.tensorboard import TAG, folder_of, write_tensorboard, writer
from studies.tasks import Text
from tests.studies.reports.made_up import PROVENANCE, summary_with
from tests.studies.reports.test_texts_pasted import hostile

NEEDED = "tensorboard is not installed (adaqn-lab[tensorboard])"


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    return summary_with(text)


@pytest.fixture
def reader():
    return pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=NEEDED).EventAccumulator


def test_the_curves_read_back(summary: Summary, tmp_path: Path, reader) -> None:
    assert write_tensorboard(summary, tmp_path) == len(summary.records)
    for record in summary.records[::5]:
        found = reader(str(tmp_path / folder_of(record)))
        found.Reload()
        points = found.Scalars(TAG)
        assert [point.step for point in points] == [point.steps for point in record.outcome.curve]
        assert [point.value for point in points] == pytest.approx([point.loss for point in record.outcome.curve])
        passed = points[-1].wall_time - points[0].wall_time
        assert passed == pytest.approx(record.outcome.curve[-1].seconds, abs=1e-3)
        assert ("loss/test" in found.Tags()["scalars"]) == (not record.outcome.diverged)
        assert "_hparams_/session_start_info" in found.summary_metadata
    began = found.Scalars(TAG)[0].wall_time
    assert began > 0
    assert PROVENANCE["started"].startswith("2026")


def test_a_run_is_written_once(summary: Summary, tmp_path: Path, reader) -> None:
    assert write_tensorboard(summary, tmp_path) == len(summary.records)
    before = {path: path.read_bytes() for path in tmp_path.rglob("events*")}
    draft = tmp_path / "ADAQN" / "draft-left over"
    draft.mkdir()
    assert write_tensorboard(summary, tmp_path) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("events*")} == before


@pytest.mark.parametrize("name", ["../../out", "a/b\\c:*?", "..", "x" * 400, "\x1b[31m\n"])
def test_no_name_leaves_the_directory(name: str, text: Text, tmp_path: Path, reader) -> None:
    inside = tmp_path / "inside"
    write_tensorboard(hostile(text, name), inside)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert len(list(inside.iterdir())) == 3


@pytest.mark.parametrize(("one", "other"), [("a/b", "a:b"), ("x" * 300 + "1", "x" * 300 + "2"), ("a", " a.")])
def test_names_that_look_alike_in_a_file_system_have_folders_of_their_own(
    one: str, other: str, text: Text, tmp_path: Path, reader
) -> None:
    first, second = hostile(text, one), hostile(text, other)
    write_tensorboard(first, tmp_path)
    assert write_tensorboard(second, tmp_path) > 0


def test_without_the_package_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch.utils.tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=re.escape(f"not installed: {install('tensorboard')}, then repeat")):
        writer()


def test_the_command_writes_them_and_says_how_to_look(
    finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], reader
) -> None:
    (tmp_path / JOURNAL).write_bytes((finished[0] / JOURNAL).read_bytes())
    assert main(["report", str(tmp_path), "--tensorboard", str(tmp_path / "tb")]) == 0
    told = capsys.readouterr()
    assert f"8 of 8 runs are new in {tmp_path}/tb: tensorboard --logdir {tmp_path}/tb" in told.err
    assert len({path.parent for path in (tmp_path / "tb").rglob("events*")}) == 8


def test_the_command_refuses_before_it_writes(
    finished: tuple[Path, str], tmp_path: Path, refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch.utils.tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, module, None)
    assert "pip install" in refused("ablate", "--tensorboard", str(tmp_path / "tb"), "--out", str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []
