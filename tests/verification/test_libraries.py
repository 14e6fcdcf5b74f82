"""The table library x law in the README is what the laws say of the installed libraries."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from verification import Subject, verify
from verification.adapters import LIBRARIES, Library
from verification.adapters.conformance import LONG, about, judge, table
from verification.drive.mutants import honest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCK = README.partition("<!-- libraries -->\n")[2].partition("<!-- /libraries -->")[0]
HEAD, _, *ROWS = ([cell.strip() for cell in line.strip("|").split("|")] for line in BLOCK.splitlines())
WRITTEN = {name: {row[0]: row[i] for row in ROWS[:-1]} for i, name in enumerate(HEAD) if i}
OPTAX_TESTED = "0.2.8"


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_readme_says_what_the_laws_say(library):
    """But for the measured line, which depends on the machine."""
    pytest.importorskip(library.requires, reason=f"{library.requires} is not installed")
    if library.requires == "optax" and importlib.metadata.version("optax") != OPTAX_TESTED:
        pytest.skip(f"the README speaks of optax {OPTAX_TESTED}")
    found = judge(library, examples=6)
    assert {name: found.get(name, ("–", ""))[0] for name in WRITTEN[library.name]} == WRITTEN[library.name]


def test_every_library_and_law_is_in_the_readme():
    assert list(WRITTEN) == [library.name for library in LIBRARIES]
    assert [row[0] for row in ROWS[:-1]] == [law.name for law in about(Subject.DRIVE, Subject.OPERATOR)]


def test_a_missing_library_is_named_and_left_out():
    absent = Library("nobody's", "verification.adapters.nobody", "no_such_library")
    assert table([absent]).endswith("- nobody's is not installed (no_such_library).")


def test_an_honest_method_passes():
    assert verify(honest, examples=20)
    assert LONG.exponent == 22
