"""The C++ kernels: what is told while they compile and when they cannot be, and texts without numbers."""

import re
from pathlib import Path

import pytest
import torch
from torch.utils import cpp_extension
from torch.utils.file_baton import FileBaton

from adaqn_lab import ADAQN, QuasiNewton, kernels
from adaqn_lab.kernels import compiled

SOURCE = Path(compiled.__file__).with_name("kernels.cpp").read_text()
BUILD = """Error building extension 'adaqn_lab_kernels': [1/2] c++ -MMD -MF kernels.o.d -I/a/b -c error:
FAILED: kernels.o
c++ -MMD -MF kernels.o.d -DTORCH_EXTENSION_NAME=x -I/a/b/include -O3 -c kernels.cpp -o kernels.o
kernels.cpp:12:3: error: 'Lanes' was not declared in this scope
"""


def test_no_text_of_the_source_formats_a_number():
    """Where a compiler links a C++ library of its own, formatting a number in an error's text ends the process."""
    checks = re.findall(r"TORCH_CHECK(?:_\w+)?\((.*?)\);", SOURCE, re.DOTALL)
    assert len(checks) >= 8
    for check in checks:
        assert re.fullmatch(r'[^"]*,\s*"[^"]*"\s*', check), check  # a condition, one literal, and nothing after it
    assert not re.search(r"std::(cout|cerr|ostringstream|stringstream|to_string)|c10::str", SOURCE)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine on which nothing was compiled yet."""
    monkeypatch.setattr(cpp_extension, "get_default_build_root", lambda: str(tmp_path))
    kernels.unload()
    return tmp_path


def test_it_says_that_it_compiles_and_fails_in_one_sentence(bare, monkeypatch, capsys):
    def refuse(*_, **__):
        raise RuntimeError(BUILD)

    monkeypatch.setattr(cpp_extension, "load", refuse)
    with pytest.raises(RuntimeError) as caught:
        compiled._open()
    assert "compiling the kernels, once on this machine; it takes 20 to 60 seconds" in capsys.readouterr().err
    text = str(caught.value)
    assert "'Lanes' was not declared in this scope" in text
    assert "-I/a/b" not in text
    assert "\n" not in text
    assert "install a C++ compiler and ninja" in text


def test_what_was_compiled_is_opened_without_a_word(bare, monkeypatch, capsys):
    """Whatever a process that died left there, torch's lock among it."""
    folder = bare / f"{compiled.NAME}_fingerprint"
    folder.mkdir()
    (folder / "kernels.so").touch()
    (folder / "lock").touch()
    opened = []
    monkeypatch.setattr(compiled, "_fingerprint", lambda flags: "fingerprint")
    monkeypatch.setattr(torch.ops, "load_library", opened.append)
    compiled._open()
    assert opened == [folder / "kernels.so"]
    assert capsys.readouterr().err == ""


def test_the_lock_of_a_compilation_that_was_killed_holds_nobody_up(bare, monkeypatch):
    """torch's lock is a file that a dead process leaves, and torch waits for its end without end."""
    folder = bare / f"{compiled.NAME}_fingerprint"
    folder.mkdir()
    (folder / "lock").touch()
    monkeypatch.setattr(compiled, "_fingerprint", lambda flags: "fingerprint")

    def compile_(*_, build_directory, **__):
        baton = FileBaton(Path(build_directory) / "lock")
        assert baton.try_acquire()
        baton.release()
        (built := Path(build_directory) / "built.so").touch()
        return str(built)

    monkeypatch.setattr(cpp_extension, "load", compile_)
    compiled._open()
    assert (folder / "kernels.so").exists()


@pytest.mark.parametrize("text", ["", "x" * 500, "one line"])
def test_any_failure_has_a_short_reason(text):
    assert 0 < len(compiled._reason(RuntimeError(text))) <= 160


def test_another_source_or_flag_is_another_library():
    assert compiled._fingerprint(["-O3"]) == compiled._fingerprint(["-O3"]) != compiled._fingerprint(["-O2"])


def test_a_slot_out_of_range_is_an_error_of_python_s(compiled_kernels):
    rows, row = torch.zeros(1, 3, 8), torch.ones(1, 8)
    with pytest.raises(IndexError, match="head is no slot of the rows"):
        torch.ops.adaqn_lab.write_row_(rows, row, torch.tensor([3]), None)
    assert not rows.any()


def test_autograd_sees_that_a_parameter_was_written_to(compiled_kernels):
    w = torch.nn.Parameter(torch.ones(5))
    optimizer = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1)
    loss = (w**3).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
