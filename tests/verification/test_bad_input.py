"""What can be wrong with somebody's part: one sentence each, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

import adaqn_lab as lab
from verification import BadSubjectError, plot_secant_error
from verification.__main__ import main

PARTS = """
from dataclasses import dataclass

import torch

from adaqn_lab import ADAQN, QuasiNewton
from adaqn_lab.bases import ScalingBase
from verification.adapters.driving import Driven
from verification.methods import Method

class Raises:
    def __init__(self): raise RuntimeError("no luck")
class Exits:
    def __init__(self): raise SystemExit(3)
class Needs:
    def __init__(self, size): pass
class NoRole: pass
class Tells:
    def __init__(self): raise RuntimeError("first\\nsecond \\x1b[31m")
class Hostile:
    def __getattr__(self, name): raise RuntimeError(name)
class Lacks:
    def init(self, space): return None
    def observe_(self, state, step): pass
    def h0(self, state, curvature): return H0()
class H0:
    def apply_(self, v): return v
    def solve_(self, v): return v
@dataclass(frozen=True)
class Good(ScalingBase):
    def h0(self, state, curvature): return H0()
class BadRepr(Good):
    def __repr__(self): raise ValueError("no repr")
class Bad(H0):
    def __init__(self, apply_): self.apply_ = apply_
class Nan(Good):
    def h0(self, state, curvature): return Bad(lambda v: v * float("nan"))
class Shape(Good):
    def h0(self, state, curvature): return Bad(lambda v: v[:, :1].sum(0))
class Dtype(Good):
    def h0(self, state, curvature): return Bad(lambda v: v.half())
class Unsolved(Good):
    def h0(self, state, curvature): return Bad(lambda v: v * 2)
@dataclass
class State:
    kept: torch.Tensor
class Shares(Good):
    def init(self, space): return State(space.zeros())
    def h0(self, state, curvature): return Bad(lambda v: state.kept.copy_(v))
class Mutates(Good):
    def observe_(self, state, step): step.g.mul_(2)
class Breaks(Good):
    def h0(self, state, curvature): return state.nothing
class Now:
    def __init__(self): self.count = 0
    def apply_(self, v):
        Now.count += 1
        return v if Now.count % 37 else v * 2
    def solve_(self, v): return v
Now.count = 0
class Sometimes(Good):
    def h0(self, state, curvature): return Now()
class Mine(QuasiNewton): pass
class Another(torch.optim.SGD): pass
at_work = torch.optim.SGD([torch.zeros(1)], lr=1.0)
no_class = Method(ADAQN, 3)
no_recipe = Method(3)
def silent(gradient, start, steps): return 3
def misshapen(gradient, start, steps): return Driven(start, start[None], start[None])
class Keeps(ScalingBase):
    last = 1.0
    def observe_(self, state, step): self.last = self.last + float(step.g.square().sum())
    def h0(self, state, curvature): return Bad(lambda v: v / self.last)
"""
REFUSED = {
    "bad:Raises": "raised RuntimeError: no luck",
    "bad:Exits": "raised SystemExit: 3",
    "bad:Tells": "raised RuntimeError: first second \\x1b[31m; it must",
    "bad:Hostile": "cannot be looked at, it raised RuntimeError: ",
    "bad:Needs": "missing 1 required positional argument: 'size'",
    "bad:NoRole": "has the attributes of no role; a part has those of one (pair generator: check_recipe, init, needs,",
    "bad:Lacks": "to be a scaling it lacks check_recipe, needs: adaqn_lab.bases.ScalingBase has defaults.",
    "bad:Absent": "has no 'Absent'",
    "bad:at_work": "is an optimizer at work; pass its class",
    "bad:no_class": "is no subclass of adaqn_lab.QuasiNewton; another library's method is verified as a function",
    "bad:no_recipe": "recipe=3 is no Recipe",
    "exits:Part": "could not be imported (SystemExit",
    "absent:Part": "could not be imported (ModuleNotFoundError",
}
BROKEN = {
    "Nan": "not finite from finite inputs",
    "Shape": "shape (1,), expected (1, 1)",
    "Dtype": "dtype torch.float16, expected torch.float64",
    "Mutates": "the argument g after the call",
    "Breaks": "raised AttributeError: 'NoneType' object has no attribute 'nothing'",
    "Unsolved": "solve_(apply_(v)) against v",
    "Shares": "the answer shares the memory of state.kept; the optimizer writes into it",
    "Sometimes": "two answers to one case: it failed (",
    "silent": "returned int; return Driven(points, S, Y)",
    "misshapen": "points must be (K + 1, 2)",
    "Keeps": "the answer while another state of the part was used",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text(PARTS)
    (tmp_path / "exits.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("bad", None)


@pytest.mark.parametrize("target", REFUSED)
def test_refused_in_one_sentence(folder, capsys, target):
    assert main([target]) == 2
    said = capsys.readouterr().err
    assert REFUSED[target] in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", BROKEN)
def test_broken_part(folder, capsys, name):
    assert main([f"bad:{name}", "--examples", "5"]) == 1
    assert BROKEN[name] in capsys.readouterr().out


def test_an_unprintable_part_is_named_by_its_class(folder, capsys):
    assert main(["bad:BadRepr", "--examples", "1"]) == 3
    assert capsys.readouterr().out.startswith("BadRepr: scaling")


def test_a_word_that_a_recipe_cannot_have(capsys):
    assert main(["adaqn_lab.recipes:OLBFGS", "--declare", "adaqn"]) == 2
    assert "has other parts than adaQN's own" in capsys.readouterr().err


@pytest.mark.parametrize(("target", "status"), [("bad:Needs", 2), ("bad:Nan", 1)])
def test_the_real_command(folder, target, status):
    command = [sys.executable, "-m", "verification", target, "--examples", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr


def test_five_lines_under_xdist(folder):
    """(Under plain pytest: test_conformance.py.)"""
    lines = ["import verification", "from bad import Good", "@verification.parametrize(Good, examples=2)"]
    (folder / "test_mine.py").write_text("\n".join([*lines, "def test_laws(check):", "    check()"]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "test_mine.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_picture(tmp_path):
    figure = plot_secant_error(lab.Window, tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").stat().st_size > 1000
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    for dtype in ("float32", "float64"):
        assert (lines[f"H v against the textbook, {dtype}"] <= lines[f"allowed, {dtype}"]).all()
    with pytest.raises(BadSubjectError, match="the picture is of a memory"):
        plot_secant_error(lab.AdaGrad)


def test_a_declared_word_that_is_no_property(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adaqn_lab:AdaGrad", "--declare", "adagrat"]) == 2
    assert "The call declares 'adagrat', which is no property; did you mean adagrad?" in capsys.readouterr().err
