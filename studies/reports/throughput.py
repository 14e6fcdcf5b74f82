"""What was measured of runs side by side: a table, a picture and a page."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from studies.errors import counted
from studies.execution.throughput import Rate
from studies.reports.columns import Column, Table, at, fixed, write_table
from studies.reports.figures.drawing import Drawing, by_section, picture
from studies.reports.figures.style import SIZE, colour, label, mark, style
from studies.reports.html import replace_file, template
from studies.reports.setup import command_lines, in_words

QUESTION = "How many runs a minute does this machine finish, and how many should run side by side?"
SHARES = ("data", "gradients", "optimizer", "launches")
_BOUND = "products only"
FAR = 4.0
"""A way to run that is so many times slower or faster than those side by side is told, not drawn."""


def _share(name: str) -> Column[Rate]:
    return Column(
        name,
        lambda rate: f"{rate.shares[name]:.0%}" if rate.shares else None,
        {f"share_{name}": lambda rate: rate.shares.get(name)},
    )


COLUMNS: tuple[Column[Rate], ...] = (
    Column("way", lambda rate: rate.way, at("way", "runs"), left=True),
    Column("runs per minute", lambda rate: fixed(rate.per_minute, ".1f"), at("per_minute")),
    Column("ratio", lambda rate: fixed(rate.times, ".2f"), at("times")),
    Column("MiB", lambda rate: None if rate.memory is None else str(rate.memory >> 20), at("memory")),
    Column("ms a step", lambda rate: fixed(rate.seconds and 1e3 * rate.seconds, ".2f"), at("seconds")),
    *map(_share, SHARES),
    Column("limited by", lambda rate: rate.limit, at("limit")),
)


def table(rates: Sequence[Rate]) -> Table[Rate]:
    """Return the ways to run as a table."""
    return Table(COLUMNS, rates)


def answer(rates: Sequence[Rate]) -> list[str]:
    """Return which way is the fastest, and what limits it."""
    measured = [(rate.per_minute, rate) for rate in rates if rate.per_minute is not None and rate.way != _BOUND]
    if not measured:
        return ["Nothing could be measured."]
    most, best = max(measured, key=lambda pair: pair[0])
    how = f"{counted(best.runs, 'run')} side by side in a process" if best.way.startswith("R = ") else best.way
    ratio = "" if best.times is None or best.runs == 1 else f", {best.times:.2f} times those of one at a time"
    limit = "" if best.limit is None else f" A step there is limited by: {best.limit}."
    left_out = [f"{rate.way} is left out: {rate.ended}." for rate in rates if rate.ended]
    return [f"The fastest way is {how} ({best.way}): {most:.1f} runs a minute{ratio}.{limit}", *left_out]


def write_files(
    what: str, rates: Sequence[Rate], notes: Sequence[str], setup: Mapping[str, Any], command: str, directory: Path
) -> list[Path]:
    """Write page, table and picture into ``directory`` and return their paths."""
    page, csv, png = paths = [directory / name for name in ("report.html", "throughput.csv", "throughput.png")]
    with style("throughput"):
        drawing = draw(rates)
        figures = by_section([picture("throughput", "Runs per minute", drawing)])
        drawing.figure.axes[0].set_title(label(what), fontsize=9)
        replace_file(png, lambda path: drawing.figure.savefig(path, dpi=150, transparent=False))
    html = template("throughput.html").render(
        question=QUESTION, answer=answer(rates), lead=f"{what}.", figures=figures, table=table(rates), notes=notes,
        setup={"Measured": what, "Machine and versions": in_words(setup)}, commands=command_lines({"command": command}),
    )  # fmt: skip
    replace_file(page, lambda path: path.write_text(html, encoding="utf-8"))
    replace_file(csv, lambda path: write_table(COLUMNS, rates, path))
    return paths


def draw(rates: Sequence[Rate]) -> Drawing:
    """Return the runs per minute over R, and the ways that have no R as lines."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    measured = [(mark(n), rate, rate.per_minute) for n, rate in enumerate(rates) if rate.per_minute is not None]
    along = [each for each in measured if _side_by_side(each[1])]
    for number, kind in enumerate(("cores", "GPU")):
        points = [(gid, rate.runs, speed) for gid, rate, speed in along if _is_on(rate) == kind]
        if points:
            axes.plot(
                [x for _, x, _ in points], [y for *_, y in points], color=colour(number), linewidth=1.6, label=kind
            )
        for gid, runs, speed in points:
            axes.plot([runs], [speed], "o", color=colour(number), gid=gid)
    far = _lines(axes, [each for each in measured if not _side_by_side(each[1])], [speed for *_, speed in along])
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted({rate.runs for _, rate, _ in along})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("runs side by side in a process")
    axes.set_ylabel("runs per minute")
    axes.legend()
    data = [[rate.way, rate.runs, rate.per_minute, rate.times] for rate in rates]
    caption = "Runs finished per minute over the runs side by side in a process."
    caption += f" Far off the scale: {', '.join(far)}." if far else ""
    return Drawing(figure=figure, caption=caption, data=[["way", "runs", "per_minute", "ratio"], *data])


def _lines(axes: Axes, others: Sequence[tuple[str, Rate, float]], speeds: Sequence[float]) -> list[str]:
    """Draw the other ways as lines; return those that are too far from the ``speeds``, in words."""
    far = []
    for (gid, rate, speed), dashes in zip(others, itertools.cycle(("--", ":")), strict=False):
        if speeds and not min(speeds) / FAR <= speed <= max(speeds) * FAR:
            far.append(f"{rate.way} {speed:.1f}")
        else:
            axes.axhline(speed, linestyle=dashes, linewidth=1.4, color="#8a929a", label=rate.way, gid=gid)
    return far


def _side_by_side(rate: Rate) -> bool:
    return rate.way.startswith("R = ")


def _is_on(rate: Rate) -> str:
    return "GPU" if "GPU" in rate.way else "cores"
