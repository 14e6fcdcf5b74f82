"""docs/laws.md: every law that it names exists, and every command of its table fails by a law of its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from verification import verify
from verification.__main__ import load
from verification.catalogue import LAWS

PAGE = (Path(__file__).parents[2] / "docs/laws.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if "`mutant:" in line]


def test_the_page_has_the_kinds():
    assert len(ROWS) == 11


@pytest.mark.parametrize("row", ROWS, ids=[row[2].strip("`") for row in ROWS])
def test_command_fails_by_a_law_of_its_row(row):
    _, laws, command = row
    named = set(re.findall(r"`([a-z0-9-]+)`", laws))
    assert named <= {law.name for law in LAWS}
    chosen = tuple(law for law in LAWS if law.name in named)
    report = verify(load(command.strip("`")), inputs={law.name: law.inputs for law in chosen})
    assert report.status == 1
    assert named & {result.law.name for result in report.failures}
