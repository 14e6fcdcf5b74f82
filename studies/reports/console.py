"""Tables and sentences on a terminal, in a pipe or in a file."""

from collections.abc import Sequence
from typing import IO, Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from studies.analysis.conclusions import answer
from studies.analysis.summary import Summary
from studies.analysis.words import sentence_case
from studies.errors import counted
from studies.reports.columns import Table
from studies.reports.tables import comparison, comparison_notes, notes, results
from studies.reports.texts import plain


def print_table(summary: Summary, file: IO[str]) -> None:
    """Print the results, the comparison on the test text, their notes and the answer."""
    stored = summary.configuration
    title = f"{sentence_case(summary.where)}, {counted(stored['steps'], 'step')}, {counted(stored['seeds'], 'seed')}"
    show(title, results(summary), notes(summary), file)
    print_comparison(summary, file)


def print_comparison(summary: Summary, file: IO[str]) -> None:
    """Print the comparison in test loss, its notes and the answer."""
    show("Comparison in test loss", comparison(summary), [*comparison_notes(summary), *answer(summary)], file)


class _Console(Console):
    """A console that leaves it to the program what to do when nobody reads its output; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise  # the BrokenPipeError that is being handled


def show(title: str, table: Table[Any], sentences: Sequence[str], file: IO[str]) -> None:
    """Print a table and the sentences below it; where ``file`` is no terminal, as wide as the table is."""
    # Text throughout: of a mere string rich would take "[red]" for a style.
    grid = Grid(title=Text(plain(title), style="table.title"), title_justify="left")
    for column in table.shown:
        grid.add_column(Text(plain(column.heading)), justify="left" if column.left else "right", overflow="fold")
    for place, cells in enumerate(table.lines, start=1):
        grid.add_row(*(Text(plain(cell)) for cell in cells), end_section=place == len(table.rows))
    console = _Console(file=file, highlight=False)
    if not console.is_terminal:
        # rich takes 80 columns for a pipe or a file and would break every cell.
        console.width = console.measure(grid, options=console.options.update(width=1000)).maximum
    console.print(grid)
    for sentence in sentences:
        console.print(Text(plain(sentence)))
