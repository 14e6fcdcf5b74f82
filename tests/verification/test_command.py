"""The command line of verification: typos, what is not installed, terminals of any encoding, its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from verification.__main__ import main
from verification.program import program

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("--profile thorogh", "did you mean thorough?"),
        (
            "--profile x",
            "(choose from 'fast', 'default', 'fresh', 'thorough', 'mutation'); python -m verification --help tells",
        ),
        ("--exmaples 3", "unrecognized arguments: --exmaples; did you mean --examples?"),
        ("--examples x", "argument --examples: invalid int value: 'x'; python -m verification --help tells"),
        ("--plot", "argument --plot: expected one argument; python -m verification --help tells"),
        ("adaqn_lab:AdaGard", "The module 'adaqn_lab' has no 'AdaGard'; did you mean AdaGrad?"),
        ("adaqn_lab:Nothing_like", "check the spelling."),
        ("mutant:uphil", "There is no mutant 'uphil'; "),
        ("pears", "'pears' is no target; write package.module:Factory; or is it pairs FILE that you mean?"),
        ("pairs", "the following arguments are required: file; python -m verification pairs --help tells"),
        ("pairs mine.npz --plt x", "unrecognized arguments: --plt x; did you mean --plot?"),
        ("pairs mime.npz", "cannot be read (No such file or directory); did you mean mine.npz?"),
    ],
)
def test_refuses_in_one_sentence(given, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", S=np.eye(2), Y=np.eye(2))
    assert main(given.split()) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize(
    ("started", "name"),
    [("/venv/bin/adaqn-verify", "adaqn-verify"), ("/clone/verification/__main__.py", "python -m verification")],
)
def test_is_named_as_it_was_typed(started, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [started])
    assert program() == name
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {name} ")
    assert all(len(line) <= 80 for line in told.splitlines())


def ran(code, **environment):
    """A process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, env=environment, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def without(package):
    """The start of a program on a machine without the package."""
    return f"import sys; sys.modules[{package!r}] = None; sys.argv = ['adaqn-verify', '--list']\n"


@pytest.mark.parametrize("package", ["hypothesis", "scipy"])
def test_says_in_one_sentence_what_to_install(package):
    code = "import verification.__main__\ntry: verification.verify\nexcept ImportError as error: print(error)\n"
    status, out, err = ran(without(package) + code + "sys.exit(verification.__main__.main())")
    assert status == 2
    assert err.startswith(f"verification: The package {package} is not installed: pip install ")
    assert "[verification]" in err
    assert err.count("\n") == 1
    assert out == err.removeprefix("verification: ")


def test_a_module_that_no_extra_has_is_no_matter_of_installing():
    status, _, err = ran(without("difflib") + "from verification.__main__ import main; main()")
    assert status == 1
    assert "pip install" not in err


def test_prints_in_any_encoding(tmp_path):
    part = "from adaqn_lab import AdaGrad\nclass Größe(AdaGrad):\n    __repr__ = lambda self: '± 字'\n"
    (tmp_path / "mine.py").write_text(part, encoding="utf-8")
    command = [sys.executable, "-X", "utf8=0", "-m", "verification", "mine:Größe", "--examples", "1"]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 3)
    assert done.stdout.startswith(b"? ?: scaling")


def test_a_stop_by_the_keyboard_is_one_sentence(tmp_path):
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt")
    command = [sys.executable, "-m", "verification", "mine:Part"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == 130
    assert done.stderr == "verification: Stopped before there was a verdict.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_an_output_that_cannot_be_written_is_no_verdict():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "verification", "--list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert (
        done.stderr == "verification: The output cannot be written (No space left on device); see to where it goes.\n"
    )


def test_a_name_is_not_taken_for_a_misspelling_of_itself(tmp_path, capsys):
    (tmp_path / "pairs.pt").symlink_to(tmp_path / "nowhere")
    assert main(["pairs", str(tmp_path / "pairs.pt")]) == 2
    assert "did you mean" not in capsys.readouterr().err
