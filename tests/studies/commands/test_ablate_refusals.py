"""What ``ablate`` refuses, each in one sentence and before anything is written."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from filelock import FileLock

from studies.commands.ablate import Ablate
from studies.commands.study_options import _joining
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from tests.studies.conftest import Refused, arguments

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b" \n\t ", "empty"), (b"a\0b", "binary"), (b"\xff\xfe\xfa", "UTF-8"), (b"too short", "9 char")],
)
def test_refuses_a_bad_text(content: bytes, reason: str, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    out = tmp_path / "study"
    told = refused("ablate", "--text", str(path), "--out", str(out))
    assert reason in told
    assert "text.txt" in told
    assert not out.exists()


def test_refuses_a_missing_text_and_a_directory(tmp_path: Path, refused: Refused) -> None:
    assert "No such file" in refused("ablate", "--text", str(tmp_path / "absent.txt"))
    assert "directory" in refused("ablate", "--text", str(tmp_path))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--variants", "ADAQM"], "(did you mean ADAQN?)"),
        (["--model", "gru"], "rnn-relu"),
        (["--budget", "huge"], "full"),
        (["--steps", "0"], "--steps 0"),
        (["--seeds", "-1"], "--seeds -1"),
        (["--workers", "0"], "--workers 0"),
        (["--rates", "0"], "--rates 0"),
        (["--rounds", "-1"], "--rounds -1"),
        (["--factor", "colour"], "curvature-test"),
        (["--base", "Adamm"], "(did you mean Adam, AdamW?)"),
        (["--base", "Adam", "--factor", "guard"], "choose from ADAQN, ADAQN_RESCALED"),
        (["--base", "SGD"], "--base SGD is none of the variants: name it by --variants too"),
        (["--lr", "0"], "lr=0"),
        (["--lr", "0.1", "-3"], "lr=-3"),
        (["--lr", "nan"], "lr=nan"),
        (["--device", "tpu"], "--device tpu is none of cpu, cuda"),
        (["--side-by-side", "0"], "--side-by-side 0 is too small"),
        (["--tf32"], "which cpu does not have: take --device cuda"),
        pytest.param(["--device", "cuda"], "--device cuda is not here", marks=WITHOUT_GPU),
        pytest.param(
            ["--device", "cuda:1", "--side-by-side", "auto"], "--device cuda:1 is not here", marks=WITHOUT_GPU
        ),
    ],
)
def test_refuses_a_bad_option(given: list[str], reason: str, text_file: Path, tmp_path: Path, refused: Refused) -> None:
    told = refused("ablate", "--text", str(text_file), "--out", str(tmp_path / "study"), *given)
    assert reason in told
    assert not (tmp_path / "study").exists()


def test_refuses_another_study_s_directory(finished: tuple[Path, str], text_file: Path, refused: Refused) -> None:
    out, _ = finished
    journal = (out / JOURNAL).read_bytes()
    told = refused(*arguments(text_file, out, "--steps", "26"))
    assert "steps is 25 there and 26 here" in told
    assert "--out" in told
    assert (out / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize("content", [b"not a journal\n", b"\x89PNG", b'{"a": 1}\n', b"[]\n"])
def test_refuses_a_damaged_journal_and_leaves_it(
    content: bytes, text_file: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / JOURNAL).write_bytes(content)
    assert "journal" in refused(*arguments(text_file, tmp_path))
    assert (tmp_path / JOURNAL).read_bytes() == content


def test_refuses_a_journal_that_cannot_be_read(text_file: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / JOURNAL).mkdir()
    assert "cannot be read" in refused(*arguments(text_file, tmp_path))


def test_refuses_an_output_path_that_cannot_be_a_directory(text_file: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("")
    assert "--out" in refused(*arguments(text_file, tmp_path / "file"))
    assert "--out" in refused(*arguments(text_file, tmp_path / "file" / "below"))


def test_refuses_a_place_where_nothing_can_be_made(text_file: Path, refused: Refused) -> None:
    assert "cannot be written" in refused(*arguments(text_file, Path("/proc/study")))


def test_refuses_a_directory_at_work(finished: tuple[Path, str], text_file: Path, refused: Refused) -> None:
    with FileLock(finished[0] / "command.lock"):
        assert "Another command" in refused(*arguments(text_file, finished[0]))


def test_a_dry_run_refuses_what_the_command_refuses(text_file: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refused(*arguments(text_file, out, "--dry-run")) == refused(*arguments(text_file, out))


def test_refuses_a_storage_of_the_environment_beside_a_journal(
    finished: tuple[Path, str], text_file: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIES_STORAGE", "postgresql://anna:secret@127.0.0.1:1/x")
    for given in (arguments(text_file, finished[0]), ["report", str(finished[0])], ["record", str(finished[0]), "x"]):
        told = refused(*given)
        assert "holds a study in its journal.log, but STUDIES_STORAGE names another storage: unset it" in told


def test_tells_how_workers_join(tmp_path: Path) -> None:
    store = SimpleNamespace(name="my study", shown="grpc://head:13000")
    options = Ablate(storage="grpc://head:13000", workers=0, text=tmp_path / "a.txt", out=tmp_path)
    told = _joining(options, cast("Store", store))
    assert told == f"python -m studies worker --storage grpc://head:13000 --study 'my study' --text {tmp_path}/a.txt"
    assert "--storage" not in _joining(replace(options, storage=None), cast("Store", store))
