"""The figures of the convex comparison: gaps by method, and over epochs, work and seconds."""

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from statistics import fmean, median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.analysis.convex import CLOSE, Row
from studies.convex.study import MethodResult
from studies.convex.training import Mark
from studies.reports.figures.dots import Dots, dot_plot
from studies.reports.figures.drawing import Drawing, Key, Picture, picture
from studies.reports.figures.style import INK, SIZE, colour, dashes, line, mark, style

PANELS = {
    "epochs": "epochs",
    "passes": "work, in gradients of the whole data",
    "seconds": "seconds of training, one thread",
}
NAMES = {"epochs": "epochs", "passes": "work", "seconds": "seconds"}
HIGHEST = 20.0
"""The curves' scale ends here: a larger gap is that of a run which blew up."""
_GAP = "(f - f*) / f*"


def draw(rows: Sequence[Row], results: Sequence[MethodResult], title: str, path: Path) -> None:
    """Write the curves as PNG; the legend is in the order of the rows, diverged runs are left out."""
    figure = Figure(figsize=(17.0, 7.0), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, over in zip(panels, PANELS, strict=True):
        _curves(axes, rows, results, over)
    panels[0].set_ylabel(f"{_GAP}, median over the seeds")
    figure.suptitle(title, parse_math=False, fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    columns = 1 if len(rows) < 22 else 2
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=7.5, ncols=columns)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def keys(rows: Sequence[Row]) -> tuple[Key, ...]:
    """Return the legend, in the order of the rows."""
    return tuple(Key(place=n, name=row.name, colour=colour(n), dashes=dashes(n)) for n, row in enumerate(rows))


def convex_pictures(rows: Sequence[Row], results: Sequence[MethodResult]) -> Iterator[Picture]:
    """Yield the figures of the page."""
    if any(row.kept for row in rows):
        with style("gaps"):
            yield picture("gaps", "How near each method came", _gaps(rows))
    for over in PANELS:
        with style(f"gap-{over}"):
            yield picture(f"gap-{over}", "The way there", _way(rows, results, over), NAMES[over])


def _gaps(rows: Sequence[Row]) -> Drawing:
    """Return a line for each method with a point for each seed, the nearest on top."""
    lines = [
        Dots(name=row.name, values=row.kept, middle=row.median if isfinite(row.median) else None, colour=colour(place),
             gid=mark(place))
        for place, row in enumerate(rows)
    ]  # fmt: skip
    least = min(gap for row in rows for gap in row.kept)
    most = max((gap for row in rows for gap in row.kept if gap <= HIGHEST), default=least)
    figure = dot_plot(lines, f"{_GAP} at the end; further left is better", log=True, limits=(least / 1.5, most * 1.5))
    figure.axes[0].axvline(CLOSE, color=INK, linewidth=1, linestyle=":")
    lost = sum(gap > HIGHEST for row in rows for gap in row.kept) + sum(row.diverged for row in rows)
    caption = "The gap to the optimum at the last iterate: a point for each seed, a tick for the median; dotted: 1e-3."
    caption += f" Runs that diverged or are off the scale: {lost}." if lost else ""
    data = [[row.name, number, gap] for row in rows for number, gap in enumerate(row.gaps)]
    return Drawing(figure=figure, caption=caption, data=[["method", "run", "gap"], *data])


def _way(rows: Sequence[Row], results: Sequence[MethodResult], over: str) -> Drawing:
    """Return the gap against one of the panels' clocks."""
    figure = Figure(figsize=(SIZE[0], SIZE[1] + 0.6), layout="constrained")
    axes = figure.add_subplot()
    found = _curves(axes, rows, results, over)
    axes.set_ylabel(f"{_GAP}, median over the seeds")
    caption = f"The gap to the optimum over {PANELS[over]}: the median over the seeds; dotted: 1e-3."
    data = [[name, *point] for name, points in found for point in points]
    return Drawing(figure=figure, caption=caption, data=[["method", over, "median_gap"], *data], keys=keys(rows))


def _curves(
    axes: Axes, rows: Sequence[Row], results: Sequence[MethodResult], over: str
) -> list[tuple[str, list[tuple[float, float]]]]:
    """Draw a line for each method and return (its name, its points)."""
    by_name = {result.name: result for result in results}
    drawn = []
    for place, row in enumerate(rows):
        curves = [trial.curve for trial in by_name[row.name].evaluation if not trial.diverged]
        marks: list[tuple[Mark, ...]] = list(zip(*curves, strict=False))
        # Work and seconds are 0 at the start, which a log scale has no place for.
        marks = marks if over == "epochs" else marks[1:]
        points = [(fmean(getattr(mark, over) for mark in at), median(mark.gap for mark in at)) for at in marks]
        if points:
            axes.plot(*zip(*points, strict=True), linewidth=1.4, label=row.name, **line(place))
            drawn.append((row.name, points))
    axes.set_yscale("log")
    axes.set_ylim(top=HIGHEST)
    if over != "epochs":
        axes.set_xscale("log")
    axes.axhline(CLOSE, color=INK, alpha=0.7, linewidth=1, linestyle=":")
    axes.set_xlabel(PANELS[over])
    axes.grid(visible=True, alpha=0.2)
    return drawn
