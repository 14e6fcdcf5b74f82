"""What is given by name: an object of a module, in the current directory too. Its refusals: `ways_out_names`."""

import sys

import pytest

from adaqn_lab import ADAQN, AdaGrad
from adaqn_lab.named import load, meant


def test_finds_what_a_module_has(tmp_path, monkeypatch):
    (tmp_path / "lies_here.py").write_text("class Outer:\n    inner = 5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert load("lies_here", "Outer.inner") == 5
    assert load("adaqn_lab", "AdaGrad") is AdaGrad
    assert load("adaqn_lab.recipes", "ADAQN") is ADAQN


def test_a_module_that_ends_the_program_is_refused(tmp_path, monkeypatch):
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(LookupError, match=r"^The module 'ends' could not be imported \(SystemExit: 3\)"):
        load("ends", "Part")


def test_a_misspelt_name_is_told_which_may_be_meant():
    with pytest.raises(LookupError, match=r"^The module 'adaqn_lab' has no 'AdaGard'; did you mean AdaGrad\?$"):
        load("adaqn_lab", "AdaGard")
    assert meant("Adam", ["zzz"]) == ""
