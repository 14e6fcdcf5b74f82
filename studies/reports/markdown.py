"""The generated part of a record's README: answer, tables, figures, how to reproduce."""

from collections.abc import Sequence
from pathlib import Path

from studies.analysis.conclusions import answer
from studies.analysis.summary import Summary
from studies.reports.console import (
    RACE_HEADINGS,
    comparison_headings,
    comparison_notes,
    comparison_rows,
    headings,
    notes,
    race_note,
    race_rows,
    table_rows,
)
from studies.reports.html import commands, setup


def generated_part(summary: Summary, figures: Sequence[tuple[Path, str]]) -> str:
    """Return Markdown; ``figures`` are (path, caption), the paths' folder is the README's ``figures``."""
    lines = ["## Answer", "", *_paragraphs(answer(summary))]
    lines += ["## Comparison in test loss", "", *_comparison(summary), *_paragraphs(comparison_notes(summary))]
    lines += ["## Results", "", *_table(headings(summary), table_rows(summary)), *_paragraphs(notes(summary))]
    if rows := race_rows(summary):
        lines += [
            "## Who reaches the target first",
            "",
            *_table(RACE_HEADINGS, rows),
            *_paragraphs([race_note(summary)]),
        ]
    lines += ["## Figures", ""]
    for path, caption in figures:
        lines += [f"![{caption}](figures/{path.name})", "", caption, ""]
    lines += ["## Set-up", "", *_table(("", ""), list(setup(summary).items()))]
    lines += ["## Reproduce", "", *(f"    {command}" for command in commands(summary)), ""]
    lines += ["The figures again, without training: `python -m studies record --regenerate` and this folder's path."]
    return "\n".join(lines)


def comparison_part(summary: Summary) -> str:
    """Return the answer and the comparison in test loss alone, as Markdown."""
    return "\n".join([*_paragraphs(answer(summary)), *_comparison(summary)])


def _comparison(summary: Summary) -> list[str]:
    return _table(comparison_headings(summary), comparison_rows(summary))


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in (_escaped(sentence), "")]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(heads) - 1)] if heads[0] else ["---"] * len(heads)
    return [_line(heads), _line(rule), *(_line([_escaped(cell) for cell in row]) for row in rows), ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Return the text with what Markdown would take for a mark or a cell's end made plain."""
    for mark in ("\\", "|", "*", "_", "<"):
        text = text.replace(mark, "\\" + mark)
    return text
