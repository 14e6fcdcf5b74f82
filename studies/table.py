"""The results as a table: for the terminal, as CSV and for the HTML report, all from the same cells."""

import csv
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studies.statistics import Interval
from studies.summary import Row, Summary

HEADINGS = (
    "variant",
    "best lr",
    "validation loss",
    "difference to ADAQN",
    "steps",
    "seconds",
    "pairs admitted / skipped",
    "roll-backs",
    "diverged",
)
MISSING = "–"


def plus_minus(interval: Interval | None, planned: int) -> str:
    """Return ``"1.6042 ± 0.0031"``, with the number of runs when fewer than ``planned`` were counted."""
    if interval is None:
        return MISSING
    shown = f"{interval.mean:.4f}"
    if interval.half_width is not None:
        shown += f" ± {interval.half_width:.4f}"
    return shown if interval.count == planned else f"{shown} (n={interval.count})"


def low_high(interval: Interval | None, planned: int) -> str:
    """Return ``"+0.021 [+0.012, +0.030]"``, with the number of pairs when fewer than ``planned``."""
    if interval is None:
        return MISSING
    shown = f"{interval.mean:+.4f}"
    if interval.low is not None:
        shown += f" [{interval.low:+.4f}, {interval.high:+.4f}]"
    return shown if interval.count == planned else f"{shown} (n={interval.count})"


def table_rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the table's cells, one tuple per variant and a last one for the unigram entropy of the text."""
    rows = [_cells(row, summary.configuration["seeds"]) for row in summary.rows]
    entropy = ("unigram entropy", MISSING, f"{summary.unigram_entropy:.4f}")
    return [*rows, entropy + (MISSING,) * (len(HEADINGS) - len(entropy))]


def _cells(row: Row, planned: int) -> tuple[str, ...]:
    pairs = MISSING
    if row.admitted is not None and row.skipped is not None:
        pairs = f"{row.admitted:.1f} / {row.skipped:.1f}"
    return (
        row.variant,
        MISSING if row.lr is None else f"{row.lr:g}" + ("*" if row.at_edge else ""),
        row.note or plus_minus(row.loss, planned),
        low_high(row.difference, planned),
        str(row.steps) if row.runs else MISSING,
        MISSING if row.seconds is None else f"{row.seconds:.1f}",
        pairs,
        MISSING if row.rollbacks is None else f"{row.rollbacks:.1f}",
        f"{row.diverged}/{row.runs}",
    )


def notes(summary: Summary) -> list[str]:
    """Return the sentences that a reader of the table needs."""
    seeds = summary.configuration["seeds"]
    found = [
        f"Validation loss in nats per character after tuning: mean over {seeds} evaluation seeds with its 95 % "
        "t-interval, over the runs that did not diverge (n says when these are fewer).",
        "Differences are paired by seed (below 0 is better than ADAQN), their intervals are not adjusted for the "
        "number of comparisons. Seconds of training, pairs and roll-backs are means per run.",
    ]
    if any(row.at_edge for row in summary.rows):
        found.append("* The best learning rate lies on the edge of its grid: a better one may lie beyond.")
    return found


def print_table(summary: Summary, file: IO[str]) -> None:
    """Print the table and its notes."""
    table = Table(title=_title(summary), title_justify="left", caption_justify="left")
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if place == 0 else "right", overflow="fold")
    rows = table_rows(summary)
    for place, cells in enumerate(rows):
        table.add_row(*map(Text, cells), end_section=place == len(rows) - 2)
    show(table, notes(summary), file)


def show(table: Table, sentences: list[str], file: IO[str]) -> None:
    """Print a table and the sentences below it; where ``file`` is no terminal, as wide as the table is."""
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        # rich takes 80 columns for a pipe or a file and would break every cell.
        console.width = console.measure(table, options=console.options.update(width=1000)).maximum
    console.print(table)
    for sentence in sentences:
        console.print(Text(sentence))


def _title(summary: Summary) -> str:
    stored = summary.configuration
    return f"{stored['model']} on {stored['text']}, {stored['steps']} steps, {stored['seeds']} seeds"


def write_csv(summary: Summary, path: Path) -> None:
    """Write one line per variant with unrounded numbers; an empty field is a missing one."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        lines = [_numbers(row) for row in summary.rows]
        writer.writerow(lines[0])
        writer.writerows(line.values() for line in lines)
        writer.writerow(["unigram entropy", "", "", summary.unigram_entropy])


def _numbers(row: Row) -> dict[str, str | float | None]:
    return {
        "variant": row.variant,
        "lr": row.lr,
        "lr_at_edge": row.at_edge,
        **_ends("loss", row.loss),
        **_ends("difference", row.difference),
        **_ends("test_loss", row.test_loss),
        "steps": row.steps,
        "seconds": row.seconds,
        "admitted": row.admitted,
        "skipped": row.skipped,
        "rollbacks": row.rollbacks,
        "steps_skipped": row.steps_skipped,
        "runs": row.runs,
        "diverged": row.diverged,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {
        name: None if interval is None else interval.mean,
        f"{name}_low": None if interval is None else interval.low,
        f"{name}_high": None if interval is None else interval.high,
    }
