"""Streams that are closed, of another encoding, full, or read by nobody: the command ends as it should."""

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from studies.commands import streams
from tests.studies.conftest import arguments, without_notice

HERE = Path(__file__).parents[3]


def shell(line: str, *given: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which PROGRAM stands for the command."""
    program = shlex.join([sys.executable, "-m", "studies", *given])
    told = " ".join(f"{name}={value}" for name, value in variables.items())
    return subprocess.run(
        ["bash", "-c", line.replace("PROGRAM", f"{told} {program}")],
        capture_output=True, encoding="utf-8", errors="replace", timeout=80, check=False, cwd=HERE,
    )  # fmt: skip


def test_trains_with_closed_streams(text_file: Path, tmp_path: Path) -> None:
    done = shell("PROGRAM <&- 2>&-", *arguments(text_file, tmp_path / "a"))
    assert done.returncode == 0
    assert "Getting ready" not in done.stdout
    assert (tmp_path / "a" / "report.html").exists()
    silent = shell("PROGRAM >&-", "report", str(tmp_path / "a"))
    assert (silent.returncode, silent.stdout, without_notice(silent.stderr)) == (0, "", "")


def test_an_encoding_without_our_signs_has_the_nearest(finished: tuple[Path, str]) -> None:
    done = shell("PROGRAM", "report", str(finished[0]), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert " +- 0." in done.stdout
    assert "?" not in done.stdout


@pytest.mark.parametrize(("encoding", "written"), [("ascii", b"+- x - ? '"), ("cp1252", b"\xb1 \xd7 \x96 ? \x92")])
def test_signs_of_an_encoding(encoding: str, written: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding=encoding))
    streams.prepare()
    print("± × – 字 ’", end="", flush=True)
    assert kept.getvalue() == written


@pytest.mark.parametrize("given", [["variants"], ["report"], ["ablate", "--help"]])
def test_a_reader_that_leaves_is_no_fault(given: list[str], finished: tuple[Path, str]) -> None:
    place = [str(finished[0])] if given == ["report"] else []
    done = shell("set -o pipefail; PROGRAM | true", *given, *place)
    assert done.returncode == 141
    assert without_notice(done.stderr) == ""


def test_a_full_disk_behind_stdout_is_told() -> None:
    done = shell("PROGRAM > /dev/full", "variants")
    assert done.returncode == 2
    # It is seen when so much was printed that a part is written, else at the end.
    told = without_notice(done.stderr)
    assert told.startswith(("The disk is full: free some space", "The output cannot be written (No space left on"))
    assert told.count("\n") == 1


@pytest.mark.parametrize("package", ["studies.commands.streams", "verification.terminal"])
def test_the_c_locale_replaces_what_it_lacks(package: str) -> None:
    code = f"import {package} as streams; streams.prepare(); print('\\u00b1 0.1')"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ | plain, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b" 0.1\n")
