"""The tables of a study: its results, the comparison in test loss, who reaches the target, evaluations by kind."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path

from studies.analysis.clocks import CLOCKS, Race
from studies.analysis.row import Row
from studies.analysis.statistics import FEWEST_FOR_A_TEST, Comparison, Interval
from studies.analysis.summary import Summary
from studies.analysis.tried import Tried
from studies.errors import counted
from studies.planning.trials import Choice
from studies.reports.columns import MISSING, Column, Table, at, fixed, rate, write_table
from studies.reports.rows import field_of

RESULTS, COMPARISON = "results", "comparison"
NOT_REACHED = "not reached"


def columns(summary: Summary) -> tuple[Column[Row], ...]:
    """Return the columns of the results and of the comparison, in the order of table.csv."""
    planned, against = summary.configuration["seeds"], f"difference to {summary.reference}"

    def ema(row: Row) -> str | None:
        return plus_minus(row.ema_test_loss, planned)

    return (
        Column("variant", lambda row: row.variant, at("variant"), left=True),
        Column("best lr", lambda row: rate(row.lr, row.at_edge), at("lr", lr_at_edge="at_edge"), RESULTS),
        *([_FIELDS] if summary.tunes_fields else []),
        Column("validation loss", lambda row: row.note or plus_minus(row.loss, planned), _ends("loss"), RESULTS),
        Column(against, lambda row: low_high(row.difference, planned), _ends("difference"), RESULTS),
        Column("test loss", lambda row: plus_minus(row.test_loss, planned), _ends("test_loss"), COMPARISON),
        *([Column("EMA", ema, _ends("ema_test_loss"), COMPARISON)] if summary.averages else []),
        Column(against, _tested(lambda test: low_high(test, test.count)), _test("mean", "low", "high"), COMPARISON),
        Column("", None, _test("p")),
        Column("p, Holm", _tested(_p), _test("p_holm"), COMPARISON),
        Column("rank-biserial r", _tested(lambda t: f"{t.rank_biserial:+.2f}"), _test("rank_biserial"), COMPARISON),
        Column("Cohen's d", _tested(lambda test: fixed(test.cohen_d, "+.2f")), _test("cohen_d"), COMPARISON),
        Column("seeds better", _tested(lambda t: f"{t.better}/{t.count}"), _test("better", "count"), COMPARISON),
        Column("steps", lambda row: str(row.steps) if row.runs else None, at("steps"), RESULTS),
        Column("seconds", lambda row: fixed(row.seconds, ".1f"), at("seconds"), RESULTS),
        Column("work", None, at("work")),
        Column("pairs admitted / skipped", _pairs, at("admitted", "skipped"), RESULTS),
        Column("roll-backs", lambda row: fixed(row.rollbacks, ".1f"), at("rollbacks"), RESULTS),
        Column("steps skipped", None, at("steps_skipped")),
        Column("diverged", lambda row: f"{row.diverged}/{row.runs}", at("runs", "diverged"), RESULTS),
    )


def results(summary: Summary) -> Table[Row]:
    """Return the results, the best model that ignores its inputs below them."""
    beside = (MISSING,) * (2 if summary.tunes_fields else 1)
    chance = () if summary.chance is None else (summary.chance[0], *beside, f"{summary.chance[1]:.4f}")
    return Table(columns(summary), summary.rows, RESULTS, chance)


def comparison(summary: Summary) -> Table[Row]:
    """Return the comparison in test loss."""
    return Table(columns(summary), summary.rows, COMPARISON)


def write_results(summary: Summary, path: Path) -> None:
    """Write both as one CSV file."""
    beside = ("",) * (3 if summary.tunes_fields else 2)
    chance = [] if summary.chance is None else [(summary.chance[0], *beside, summary.chance[1])]
    write_table(columns(summary), summary.rows, path, *chance)


def race(summary: Summary) -> Table[Row]:
    """Return who reached the target when: medians over the seeds on the three clocks."""
    races = [found for clock in CLOCKS if (found := summary.race(clock)) is not None]

    def clock(race: Race) -> Column[Row]:
        return Column(race.clock, lambda row: _reading(race.median(row.variant), race.clock))

    return Table(
        (
            Column("variant", lambda row: row.variant, left=True),
            Column("runs that came there", lambda row: f"{races[0].successes(row.variant)}/{row.runs}"),
            *map(clock, races),
        ),
        summary.rows if races else (),
    )


def calls(summary: Summary) -> Table[Row]:
    """Return the mean evaluations of a run by kind."""
    kinds = dict.fromkeys(kind for row in summary.rows for kind in row.calls)

    def of(kind: str) -> Column[Row]:
        return Column(kind, lambda row: fixed(row.calls.get(kind), ".0f"))

    variant = Column[Row]("variant", lambda row: row.variant, left=True)
    return Table((variant, *map(of, kinds), Column("work", lambda row: fixed(row.work, ".0f"))), summary.rows)


def tuning(summary: Summary) -> Table[tuple[Row, Tried]]:
    """Return what was tuned: the validation losses at each rate and fields, and which of them were chosen."""
    return Table(
        (
            Column[tuple[Row, Tried]]("variant", lambda pair: pair[0].variant, left=True),
            Column("lr", lambda pair: str(Choice(pair[1].lr, tuple(pair[1].fields.items())))),
            Column("validation loss", lambda pair: _losses(pair[1])),
            Column("chosen", lambda pair: "yes" if _is_chosen(*pair) else None),
        ),
        [(row, found) for row in summary.rows for found in row.tried],
    )


def _losses(found: Tried) -> str | None:
    return ", ".join("diverged" if x is None else f"{x:.4f}" for x in found.losses) or None


def _is_chosen(row: Row, found: Tried) -> bool:
    return (found.lr, found.fields) == (row.lr, row.fields)


def plus_minus(interval: Interval | None, planned: int) -> str | None:
    """Return ``"1.6042 ± 0.0031"``, with the number of runs when fewer than ``planned`` were counted."""
    if interval is None:
        return None
    shown = f"{interval.mean:.4f}"
    if interval.half_width is not None:
        shown += f" ± {interval.half_width:.4f}"
    return shown + _fewer(interval.count, planned)


def low_high(interval: Interval | Comparison | None, planned: int) -> str | None:
    """Return ``"+0.021 [+0.012, +0.030]"``, with the number of pairs when fewer than ``planned``."""
    if interval is None:
        return None
    shown = f"{interval.mean:+.4f}"
    if interval.low is not None:
        shown += f" [{interval.low:+.4f}, {interval.high:+.4f}]"
    return shown + _fewer(interval.count, planned)


def _fewer(count: int, planned: int) -> str:
    return "" if count == planned else f" (n={count})"


def _fields(row: Row) -> str | None:
    """Return ``"momentum=0.8* decay=0.99"``, with a star at the edge of a range; ``"own"`` without any."""
    said = (f"{name}={value:g}{'*' * (name in row.fields_at_edge)}" for name, value in row.fields.items())
    return None if row.lr is None else " ".join(said) or "own"


_FIELDS = Column[Row]("best fields", _fields, {"fields": lambda row: field_of(row.fields)}, RESULTS)


def _ends(name: str) -> dict[str, Callable[[Row], object]]:
    return at(**{name: f"{name}.mean", f"{name}_low": f"{name}.low", f"{name}_high": f"{name}.high"})


def _test(*names: str) -> dict[str, Callable[[Row], object]]:
    return at(**{f"test_difference_{name}": f"test.{name}" for name in names})


def _tested(text: Callable[[Comparison], str | None]) -> Callable[[Row], str | None]:
    return lambda row: None if row.test is None else text(row.test)


def _p(test: Comparison) -> str | None:
    return None if test.p_in_words is None else test.p_in_words + "!" * test.is_clear


def _pairs(row: Row) -> str | None:
    return None if row.admitted is None or row.skipped is None else f"{row.admitted:.1f} / {row.skipped:.1f}"


def _reading(value: float, clock: str) -> str:
    return format(value, ".1f" if clock == "seconds" else ".0f") if isfinite(value) else NOT_REACHED


def notes(summary: Summary) -> list[str]:
    """Return the sentences that a reader of the results needs."""
    seeds = summary.configuration["seeds"]
    found = [
        f"Validation loss{summary.unit} after tuning: mean over {counted(seeds, 'evaluation seed')} with its 95 % "
        "t-interval, over the runs that did not diverge (n says when these are fewer).",
        f"Differences are paired by seed (below 0 is better than {summary.reference}), their intervals are not "
        "adjusted for the number of comparisons. Seconds of training, pairs and roll-backs are means per run.",
    ]
    if any(row.at_edge for row in summary.rows):
        found.append("* The best learning rate lies on the edge of its grid: a better one may lie beyond.")
    if any(row.fields_at_edge for row in summary.rows):
        found.append("* The best value of a field lies in the first or last tenth of its range.")
    return [*summary.warnings, *found]


def comparison_notes(summary: Summary) -> list[str]:
    """Return the sentences that a reader of the comparison needs."""
    found = [
        "Test loss at the last step, on data that no choice was based on. Differences are paired by seed: mean with "
        "its 95 % BCa bootstrap interval; p by Wilcoxon's signed-rank test, adjusted by Holm for all comparisons here "
        "(! is below 0.05); r and d below 0 are better than the reference."
    ]
    if summary.averages:
        found.append("EMA is the test loss of the averaged weights; all else is of the weights themselves.")
    if all(row.test is None or row.test.count < FEWEST_FOR_A_TEST for row in summary.rows):
        found.append(f"With fewer than {FEWEST_FOR_A_TEST} seeds no p can be below 0.05, so none is shown.")
    return found


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
