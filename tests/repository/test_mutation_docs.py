"""docs/mutation.md and docs/survivors.md agree: how many mutants live, and of how many nobody has read why."""

import re
from pathlib import Path

from tests.mutation.survivors import UNEXPLAINED

DOCS = Path(__file__).parents[2] / "docs"


def test_the_score_counts_the_survivors_and_those_without_a_reason():
    score, survivors = ((DOCS / name).read_text(encoding="utf-8") for name in ("mutation.md", "survivors.md"))
    unread = re.search(rf"^## (\d+) of them\n\n{re.escape(UNEXPLAINED)}", survivors, re.MULTILINE)
    assert (unread[1] if unread else "0") == re.search(r"\*\*(\d+) of those that live have not been read", score)[1]
    living, of = map(int, re.search(r"(\d+) of (\d+) mutants are not killed", survivors).groups())
    dead, made, percent = re.search(r"\*\*(\d+) of (\d+) mutants die: ([\d.]+) %", score).groups()
    assert (int(dead), int(made)) == (of - living, of)
    assert float(percent) == round(100 * int(dead) / of, 1) >= 90.0
    assert living == sum(map(int, re.findall(r"^## (\d+) of them", survivors, re.MULTILINE)))
    rows = [line.split("|")[2:7] for line in score.splitlines() if re.match(r"\| [a-z_.]+ \| \d", line)]
    *modules, together = [[int(cell) for cell in row] for row in rows]
    assert [sum(column) for column in zip(*modules, strict=True)] == together
    assert together[0] == of
