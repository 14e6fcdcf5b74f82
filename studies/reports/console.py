"""The results as a table: for the terminal, as CSV and for the HTML report, all from the same cells."""

import csv
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studies.analysis.clocks import CLOCKS
from studies.analysis.conclusions import answer
from studies.analysis.statistics import FEWEST_FOR_A_TEST, Comparison, Interval
from studies.analysis.summary import Row, Summary

MISSING = "–"
NOT_REACHED = "not reached"


def headings(summary: Summary) -> tuple[str, ...]:
    """Return the headings of `table_rows`."""
    return (
        "variant",
        "best lr",
        "validation loss",
        f"difference to {summary.reference}",
        "steps",
        "seconds",
        "pairs admitted / skipped",
        "roll-backs",
        "diverged",
    )


def comparison_headings(summary: Summary) -> tuple[str, ...]:
    """Return the headings of `comparison_rows`."""
    return (
        "variant",
        "test loss",
        f"difference to {summary.reference}",
        "p",
        "p, Holm",
        "rank-biserial r",
        "Cohen's d",
        "seeds better",
    )


RACE_HEADINGS = ("variant", "runs that came there", "steps", "work", "seconds")


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
    """Return the table's cells: a tuple per variant and one for the best model that ignores its inputs."""
    rows = [_cells(row, summary.configuration["seeds"]) for row in summary.rows]
    if summary.chance is None:
        return rows
    name, value = summary.chance
    return [*rows, (name, MISSING, f"{value:.4f}", *[MISSING] * (len(headings(summary)) - 3))]


def comparison_rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the cells of the comparison on the test text, one tuple per variant."""
    return [_test_cells(row, summary.configuration["seeds"]) for row in summary.rows]


def _test_cells(row: Row, planned: int) -> tuple[str, ...]:
    loss, test = plus_minus(row.test_loss, planned), row.test
    if test is None:
        return row.variant, loss, *([MISSING] * 6)
    difference = f"{test.mean:+.4f}"
    if test.low is not None:
        difference += f" [{test.low:+.4f}, {test.high:+.4f}]"
    can_tell = test.count >= FEWEST_FOR_A_TEST
    return (
        row.variant,
        loss,
        difference,
        f"{test.p:.2g}" if can_tell else MISSING,
        f"{test.p_holm:.2g}" + ("!" if test.is_clear else "") if can_tell else MISSING,
        f"{test.rank_biserial:+.2f}",
        MISSING if test.cohen_d is None else f"{test.cohen_d:+.2f}",
        f"{test.better}/{test.count}",
    )


def comparison_notes(summary: Summary) -> list[str]:
    """Return the sentences that a reader of the comparison needs."""
    found = [
        "Test loss at the last step, on data that no choice was based on. Differences are paired by seed: mean with "
        "its 95 % BCa bootstrap interval; p by Wilcoxon's signed-rank test, adjusted by Holm for all comparisons here "
        "(! is below 0.05); r and d below 0 are better than the reference."
    ]
    if all(row.test is None or row.test.count < FEWEST_FOR_A_TEST for row in summary.rows):
        found.append(f"With fewer than {FEWEST_FOR_A_TEST} seeds no p can be below 0.05, so none is shown.")
    return found


def race_rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return who reached the target when: the medians over the seeds on the three clocks, one tuple per variant."""
    races = [race for clock in CLOCKS if (race := summary.race(clock)) is not None]
    return [
        (
            row.variant,
            f"{races[0].successes(row.variant)}/{row.runs}",
            *(_clock_cell(race.median(row.variant), "1" if race.clock == "seconds" else "0") for race in races),
        )
        for row in (summary.rows if races else ())
    ]


def _clock_cell(value: float, digits: str) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else NOT_REACHED


def race_note(summary: Summary) -> str:
    """Return what the target is."""
    race = summary.race("steps")
    if race is None:
        return ""
    whose = summary.row(race.setter)
    kind = "the best tuned baseline's" if whose is not None and whose.is_baseline else "the reference's"
    return (
        f"To reach a validation loss of {race.loss:.4f}, {kind} ({race.setter}) mean after the last step: medians over "
        "the seeds. Work counts gradients of a mini-batch, a loss without gradient as half and a product with a matrix "
        "as two, by the size of their batch."
    )


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
        f"Validation loss{summary.unit} after tuning: mean over {seeds} evaluation seeds with its 95 % "
        "t-interval, over the runs that did not diverge (n says when these are fewer).",
        f"Differences are paired by seed (below 0 is better than {summary.reference}), their intervals are not "
        "adjusted for the number of comparisons. Seconds of training, pairs and roll-backs are means per run.",
    ]
    if any(row.at_edge for row in summary.rows):
        found.append("* The best learning rate lies on the edge of its grid: a better one may lie beyond.")
    return found


def print_table(summary: Summary, file: IO[str]) -> None:
    """Print the table, the comparison on the test text, their notes and the answer."""
    rows = table_rows(summary)
    show(_table(_title(summary), headings(summary), rows, end=len(summary.rows) - 1), notes(summary), file)
    tested = _table("Comparison in test loss", comparison_headings(summary), comparison_rows(summary))
    show(tested, [*comparison_notes(summary), *answer(summary)], file)


def _table(title: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]], end: int | None = None) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for place, heading in enumerate(heads):
        table.add_column(heading, justify="left" if place == 0 else "right", overflow="fold")
    for place, cells in enumerate(rows):
        table.add_row(*map(Text, cells), end_section=place == end)
    return table


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
    return f"{summary.where}, {stored['steps']} steps, {stored['seeds']} seeds"


def write_csv(summary: Summary, path: Path) -> None:
    """Write one line per variant with unrounded numbers; an empty field is a missing one."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        lines = [_numbers(row) for row in summary.rows]
        writer.writerow(lines[0])
        writer.writerows(line.values() for line in lines)
        if summary.chance is not None:
            name, value = summary.chance
            writer.writerow([name, "", "", value])


def _numbers(row: Row) -> dict[str, str | float | None]:
    return {
        "variant": row.variant,
        "lr": row.lr,
        "lr_at_edge": row.at_edge,
        **_ends("loss", row.loss),
        **_ends("difference", row.difference),
        **_ends("test_loss", row.test_loss),
        **_test_numbers(row.test),
        "steps": row.steps,
        "seconds": row.seconds,
        "work": row.work,
        "admitted": row.admitted,
        "skipped": row.skipped,
        "rollbacks": row.rollbacks,
        "steps_skipped": row.steps_skipped,
        "runs": row.runs,
        "diverged": row.diverged,
    }


def _test_numbers(test: Comparison | None) -> dict[str, float | None]:
    names = ("mean", "low", "high", "p", "p_holm", "rank_biserial", "cohen_d", "better", "count")
    return {f"test_difference_{name}": None if test is None else getattr(test, name) for name in names}


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {
        name: None if interval is None else interval.mean,
        f"{name}_low": None if interval is None else interval.low,
        f"{name}_high": None if interval is None else interval.high,
    }
