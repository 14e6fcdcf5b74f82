"""Ways out of names of which a module has nothing."""

from __future__ import annotations

import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest

from adaqn_lab import AdaGrad
from adaqn_lab.named import load
from tests.adaqn_lab.ways_out import Case


def in_its_folder(_: str) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        Path("nowhere_else.py").write_text("class Here:\n    deeper = 3\n")
        assert load("nowhere_else", "Here.deeper") == 3
        del sys.modules["nowhere_else"]


def spelt(_: str) -> None:
    assert load("adaqn_lab", "AdaGrad") is AdaGrad


CASES = [
    Case(
        "no module",
        LookupError,
        lambda: load("nowhere_else", "Here"),
        "The module 'nowhere_else' could not be imported (ModuleNotFoundError: No module named 'nowhere_else')",
        {"go to its folder": in_its_folder},
    ),
    Case(
        "no name in a module",
        LookupError,
        lambda: load("adaqn_lab", "Zzzz"),
        "The module 'adaqn_lab' has no 'Zzzz'",
        {"check the spelling": spelt},
    ),
]
