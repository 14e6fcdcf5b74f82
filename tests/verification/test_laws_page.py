"""docs/laws.md: every law that it names exists, and every command of its table fails by a law of its row.

docs/every-law.md is what the laws say.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from verification.catalogue import LAWS
from verification.command import load
from verification.mutants.matrix import EXAMPLES, fails
from verification.page import page
from verification.roles import candidate

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "laws.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if "`mutant:" in line]


def test_the_page_of_every_law_is_current():
    told = (DOCS / "every-law.md").read_text(encoding="utf-8")
    assert told == page(), "run: python -m verification.page > docs/every-law.md"


def test_the_page_has_the_kinds():
    assert len(ROWS) == 16


@pytest.mark.parametrize("row", ROWS, ids=[row[2].strip("`") for row in ROWS])
def test_command_fails_by_a_law_of_its_row(row):
    _, laws, command = row
    named = set(re.findall(r"`([a-z0-9-]+)`", laws))
    target = command.strip("`")
    chosen = [law for law in LAWS if law.name in named]
    assert len(chosen) == len(named)
    chosen.sort(key=lambda law: target.removeprefix("mutant:") not in law.kills)  # its killers are quick
    mutant = candidate(load(target))
    assert any(mutant.why_not(law) is None and fails(law, mutant, EXAMPLES) for law in chosen)
