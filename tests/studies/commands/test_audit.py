"""The command ``audit``: a table, a picture and JSON, and one sentence for bad input."""

import builtins
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.studies.conftest import Command, Refused
from verification import check_pairs
from verification.curvature import read_pairs


def test_writes_table_picture_and_json(command: Command, text_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "here"
    given = ["--text", str(text_file), "--hidden", "8", "--seeds", "2", "--sequences", "20", "--out", str(out)]
    done = command("audit", *given, "--variant", "ADAQN_RESCALED", "--steps", "80", "--batch-size", "10", "--lr", "0.1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ADAQN_RESCALED, batches of 10 against the Gauss-Newton matrix: 6 window(s) of 2 run(s)"
    assert "along s y is" in lines[-6]
    assert lines[-5].startswith("validation loss of the runs: ")
    assert lines[-4:] == [str(out / name) for name in ("audit.txt", "audit.svg", "audit.json", "pairs.pt")]
    assert (out / "audit.txt").read_text().splitlines()[-1] == lines[-6]
    assert check_pairs(*read_pairs(out / "pairs.pt"))
    assert len(json.loads((out / "audit.json").read_text())["rows"]) == 6
    assert b"<svg" in (out / "audit.svg").read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--steps", "0"), "--steps 0 is too small"),
        (("--every", "0"), "--every 0 is too small"),
        (("--lr", "0"), "--lr 0.0 is no learning rate"),
        (("--variant", "Newton"), "There is no variant named 'Newton'"),
        (("--variant", "Adam"), "makes no curvature pairs"),
        (("--variant", "ADAQN-no-pairs"), "the recipe has pairs=None"),
        (("--steps", "25"), "no window of ADAQN, batches of 50 was looked at (0 made a pair)"),
        (("--task", "adding", "--matrix", "fisher", "--length", "5"), "is not softmax cross-entropy"),
        (("--model", "none"), "There is no model named 'none'"),
    ],
)
def test_bad_input(refused: Refused, text_file: Path, tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    given = ["audit", "--text", str(text_file), "--hidden", "8", "--seeds", "1", "--sequences", "9", "--steps", "45"]
    assert sentence in refused(*given, *options, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_is_refused_before_training(refused: Refused, text_file: Path) -> None:
    assert "is or lies in a file" in refused("audit", "--text", str(text_file), "--out", str(text_file / "out"))


def test_says_what_to_install(refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "verification":
            raise ModuleNotFoundError("No module named 'hypothesis'", name="hypothesis")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert re.match(r"The package hypothesis is not installed: pip install .*\[verification\]", refused("audit"))
