"""A column stands in one place: what is added there is in the terminal's table, the CSV, the page and the Markdown."""

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from studies.analysis.convex import Row as Method
from studies.analysis.summary import Summary
from studies.reports import convex, tables
from studies.reports.columns import MISSING, Column, Table, at, numbers, write_table
from studies.reports.console import print_table, show
from studies.reports.html import template, write_page
from studies.reports.markdown import generated_part, table
from studies.tasks import Text
from tests.studies.reports.made_up import summary_with


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    return summary_with(text)


class Cells(HTMLParser):
    """The cells of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def printed(summary: Summary) -> str:
    out = io.StringIO()
    print_table(summary, out)
    return out.getvalue()


@pytest.mark.parametrize("name", [tables.RESULTS, tables.COMPARISON])
def test_a_column_is_one_line(name: str, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = Column[tables.Row](
        "tuned", lambda row: f"{len(row.tuning)} rates", {"tuned_at": lambda row: len(row.tuning)}, name
    )
    own = tables.columns
    monkeypatch.setattr(tables, "columns", lambda summary: (*own(summary), tuned))

    grid = [line for line in printed(summary).splitlines() if "tuned" in line or "4 rates" in line]
    assert len(grid) == 1 + len(summary.rows)
    write_page(summary, tmp_path, {})
    cells = Cells((tmp_path / "report.html").read_text()).found
    assert (cells.count("tuned"), cells.count("4 rates")) == (1, len(summary.rows))
    lines = generated_part(summary, [], {}).splitlines()
    assert sum(line.endswith("| tuned |") for line in lines) == 1
    assert sum(line.endswith("| 4 rates |") for line in lines) == len(summary.rows)
    tables.write_results(summary, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        assert [line["tuned_at"] for line in csv.DictReader(file)][:3] == ["4"] * 3


def test_the_tables_of_a_study(summary: Summary) -> None:
    assert tables.results(summary).headings == (
        "variant", "best lr", "validation loss", "difference to ADAQN", "steps", "seconds", "pairs admitted / skipped",
        "roll-backs", "diverged",
    )  # fmt: skip
    assert tables.comparison(summary).headings == (
        "variant", "test loss", "difference to ADAQN", "p, Holm", "rank-biserial r", "Cohen's d", "seeds better",
    )  # fmt: skip
    assert tables.race(summary).headings == ("variant", "runs that came there", "steps", "work", "seconds")
    assert tables.calls(summary).headings == ("variant", "gradient of the step", "monitor loss", "work")
    keys = [key for column in tables.columns(summary) for key in column.numbers]
    assert len(keys) == len(set(keys)) == 30
    for found in (tables.results(summary), tables.comparison(summary), tables.race(summary), tables.calls(summary)):
        assert {len(line) for line in found.lines} == {len(found.headings)}
        assert [line[0] for line in found.lines][:3] == ["ADAQN", "Adam", "AdaGrad"]


def test_a_missing_value_is_a_dash_or_an_empty_field(tmp_path: Path) -> None:
    columns = (
        Column[complex]("real", lambda z: f"{z.real:g}" if z.real else None, at("real", nothing="imag.real")),
        Column[complex]("", None, {"none": lambda z: None, "text": lambda z: "a,b"}),
    )
    assert Table(columns, [1 + 0j, 0j], last=("all",)).lines == [("1",), (MISSING,), ("all",)]
    write_table(columns, [1.5 + 2j], tmp_path / "c.csv", ["more"], end="\n")
    assert (tmp_path / "c.csv").read_text() == 'real,nothing,none,text\n1.5,2.0,,"a,b"\nmore\n'
    assert at("b.c")["b.c"](type("A", (), {"b": None})) is None


def test_the_convex_table_s_numbers_follow_its_columns() -> None:
    row = Method("SGD", 0.1, True, (None, 0.5, 2e-4), 5.0, 0.0, 0.0, 1.0, 0.25, None, None, None)
    assert numbers(convex.COLUMNS, row) == {
        "method": "SGD", "lr": 0.1, "at_edge": True, "gap_median": 0.5, "gap_low": 2e-4, "gap_high": 0.5,
        "within_1e-3": False, "gradients": 5.0, "products": 0.0, "losses": 0.0, "passes": 1.0, "seconds": 0.25,
        "admitted": None, "skipped": None, "rollbacks": None, "runs": 3, "diverged": 1,
    }  # fmt: skip
    (cells,) = Table(convex.COLUMNS, [row]).lines
    assert cells == (
        "SGD", "0.1*", "5.0e-01 >", "2.0e-04 to 5.0e-01", "5", "0", "0", "1", "0.25", MISSING, MISSING, "1/3",
    )  # fmt: skip
    gone = replace(row, gaps=(None,), lr=None)
    assert Table(convex.COLUMNS, [gone]).lines[0][1:4] == (MISSING, "diverged >", MISSING)
    assert numbers(convex.COLUMNS, gone)["gap_median"] is None


HOSTILE = "[red]x[/red] \x1b]0;gone\x07 a\rb\nc\u202e d"


def test_a_terminal_gets_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    column = Column[str](f"head {HOSTILE}", lambda row: row, left=True)
    out = io.StringIO()
    show(f"title {HOSTILE}", Table((column,), [f"cell {HOSTILE}"]), [f"note {HOSTILE}"], out)
    told = " ".join(out.getvalue().split())
    for place in ("title", "head", "cell", "note"):
        assert rf"{place} [red]x[/red] \x1b]0;gone\x07 a\rb\nc\u202e d" in told
    assert not set("\x1b\x07\r\u202e") & set(out.getvalue())


def test_a_table_in_markdown_and_html() -> None:
    found = Table((Column[str]("name", lambda row: row, left=True), Column[str]("n", lambda row: None)), ["a|b <i>"])
    assert table(found) == ["| name | n |", "| --- | ---: |", r"| a\|b \<i> | – |", ""]
    module = template("macros.html").module
    assert '<th scope="row">a|b &lt;i&gt;</th><td data-label="n">–</td>' in str(module.sortable("x", found, "c"))  # type: ignore[attr-defined]
