"""The generated part of a record's README: answer, tables, figures, how to reproduce."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.analysis.conclusions import answer
from studies.analysis.summary import Summary
from studies.reports.columns import Column, Table
from studies.reports.setup import commands, setup
from studies.reports.tables import comparison, comparison_notes, notes, race, race_note, results
from studies.reports.texts import in_markdown


def generated_part(summary: Summary, figures: Sequence[tuple[Path, str]], failed: Mapping[str, str]) -> str:
    """Return Markdown; ``figures`` are (path, caption), the paths' folder is the README's ``figures``."""
    reached = race(summary)
    lines = ["## Answer", "", *_paragraphs(answer(summary))]
    lines += ["## Comparison in test loss", "", *table(comparison(summary)), *_paragraphs(comparison_notes(summary))]
    lines += ["## Results", "", *table(results(summary)), *_paragraphs(notes(summary))]
    if failed:
        lines += ["## Runs that failed", "", *table(_pairs("run", "error", failed))]
    if reached.rows:
        lines += ["## Who reaches the target first", "", *table(reached), *_paragraphs([race_note(summary)])]
    lines += ["## Figures", ""]
    for path, caption in figures:
        told = in_markdown(caption)
        lines += [f"![{told}](figures/{path.name})", "", told, ""]
    lines += ["## Set-up", "", *table(_pairs("", "", setup(summary)))]
    lines += ["## Reproduce", "", *(f"    {command}" for command in commands(summary)), ""]
    lines += ["The figures again, without training: `python -m studies record --regenerate` and this folder's path."]
    return "\n".join(lines)


def _pairs(name: str, value: str, found: Mapping[str, str]) -> Table[tuple[str, str]]:
    first = Column[tuple[str, str]](name, lambda pair: pair[0], left=True)
    return Table((first, Column(value, lambda pair: pair[1], left=True)), list(found.items()))


def table(found: Table[Any], said: Callable[[str], str] = in_markdown) -> list[str]:
    """Return the lines of a table and an empty one; ``said`` makes its texts harmless."""
    rule = ["---" if column.left else "---:" for column in found.shown]
    # Inside a word an underscore is no mark; the headings of the records that are kept have it bare.
    heads = [re.sub(r"(?<=\w)\\_(?=\w)", "_", said(heading)) for heading in found.headings]
    rows = ([said(cell) for cell in line] for line in found.lines)
    return [*(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)), ""]


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in (in_markdown(sentence), "")]
