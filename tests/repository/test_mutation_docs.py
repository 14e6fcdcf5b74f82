"""docs/mutation.md and docs/survivors.md agree: how many mutants live, and why, by the rules as they are."""

import re
from pathlib import Path

import pytest

from tests.mutation.reasons import REASONS
from tests.mutation.survivors import UNEXPLAINED, Survivor

DOCS = Path(__file__).parents[2] / "docs"
SCORE, SURVIVORS = ((DOCS / name).read_text(encoding="utf-8") for name in ("mutation.md", "survivors.md"))


def cells(row):
    """The code in a row's cells; a cell may have several."""
    return [re.findall(r"`(.*?)`", cell.replace("\\|", "|")) or [""] for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def listed():
    """Each change of survivors.md and the reason under which it stands."""
    for section in SURVIVORS.split("\n## ")[1:]:
        _, reason, table = section.split("\n\n", 2)
        for row in table.splitlines()[2:]:
            (place,), (before,), changes = cells(row)
            module, function = place.split(".", 1)
            for after in changes:
                yield Survivor(f"adaqn_lab.{module}.x_{function}__mutmut_1", before, after), reason


def test_the_score_counts_the_survivors_and_those_without_a_reason():
    unread = re.search(rf"^## (\d+) of them\n\n{re.escape(UNEXPLAINED)}", SURVIVORS, re.MULTILINE)
    assert (unread[1] if unread else "0") == re.search(r"\*\*(\d+) of those that live have not been read", SCORE)[1]
    living, of = map(int, re.search(r"(\d+) of (\d+) mutants are not killed", SURVIVORS).groups())
    dead, made, percent = re.search(r"\*\*(\d+) of (\d+) mutants die: ([\d.]+) %", SCORE).groups()
    assert (int(dead), int(made)) == (of - living, of)
    assert float(percent) == round(100 * int(dead) / of, 1) >= 95.0
    assert living == sum(map(int, re.findall(r"^## (\d+) of them", SURVIVORS, re.MULTILINE))) == len(list(listed()))
    rows = [line.split("|")[2:7] for line in SCORE.splitlines() if re.match(r"\| [a-z_.]+ \| \d", line)]
    *modules, together = [[int(cell) for cell in row] for row in rows]
    assert [sum(column) for column in zip(*modules, strict=True)] == together
    assert together[0] == of


def test_every_change_stands_below_its_reason_and_no_rule_is_without_one():
    used = set()
    for survivor, reason in listed():
        assert survivor.reason == reason, survivor
        used.add(survivor.entry)
    assert not set(REASONS) - used


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("x = a < b", "x = a <= b", "< -> <="),
        ("zip(a, b, strict=True)", "zip(a, b, )", "strict=True -> "),
        ("f(x, 1.0)", "f(x, 2.0)", "1 -> 2"),
        ("f(x, x)", "f(x)", ", x -> "),
        ("y = f(x)", "y = None", "f(x) -> None"),
        ("if a or b:", "if (a or b) and False:", "a or b -> (a or b) and False"),
    ],
)
def test_a_change_is_what_two_lines_have_not_in_common(before, after, change):
    assert Survivor("adaqn_lab.ring.x_age__mutmut_1", before, after).change == change
