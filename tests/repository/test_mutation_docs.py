"""What docs/mutation.md and docs/survivors.md say of the mutants agrees, and every survivor has its reason."""

import re
from pathlib import Path

from tests.mutation.survivors import UNEXPLAINED

DOCS = Path(__file__).parents[2] / "docs"


def test_every_survivor_has_a_reason_and_the_score_counts_them():
    score, survivors = ((DOCS / name).read_text(encoding="utf-8") for name in ("mutation.md", "survivors.md"))
    assert UNEXPLAINED not in survivors
    living, of = map(int, re.search(r"(\d+) of (\d+) mutants are not killed", survivors).groups())
    dead, made, percent = re.search(r"\*\*(\d+) of (\d+) mutants die: ([\d.]+) %", score).groups()
    assert (int(dead), int(made)) == (of - living, of)
    assert float(percent) == round(100 * int(dead) / of, 1) >= 95.0
    assert living == sum(map(int, re.findall(r"^## (\d+) of them", survivors, re.MULTILINE)))
    rows = [line.split("|")[2:7] for line in score.splitlines() if re.match(r"\| [a-z_.]+ \| \d", line)]
    *modules, together = [[int(cell) for cell in row] for row in rows]
    assert [sum(column) for column in zip(*modules, strict=True)] == together
    assert together[0] == of
