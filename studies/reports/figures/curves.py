"""Loss curves: mean over the evaluation seeds of each variant, with the range that they span, on three clocks."""

from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.analysis.clocks import CLOCKS, Clock, reading
from studies.analysis.row import Row
from studies.analysis.summary import Summary
from studies.reports.figures.style import INK, SIZE, label, legend_below, line, style


def draw_curves(summary: Summary, clock: Clock, path: Path) -> None:
    """Write validation loss over the clock as PNG."""
    with style(f"curves-{clock}"):
        figure = curves(summary, clock, size=(7.5, 5.2))
        figure.savefig(path, dpi=120, metadata={"Software": None}, transparent=False)


def curves(summary: Summary, clock: Clock, size: tuple[float, float] = SIZE) -> Figure:
    """Return validation loss over the clock; diverged runs and variants without runs are left out."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    ends = [_draw(axes, summary, row, clock) for row in summary.rows]
    shown = [end for end in ends if end is not None]
    if shown:
        # The first points, near ln(symbols), would press all differences into a few pixels.
        low, high = min(low for low, _ in shown), max(high for _, high in shown)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    if summary.chance is not None and summary.chance[1] < axes.get_ylim()[1]:
        name, value = summary.chance
        axes.axhline(value, color=INK, alpha=0.6, linewidth=1, linestyle=":", label=name)
    axes.set_xlabel(CLOCKS[clock])
    axes.set_ylabel(f"validation loss{summary.unit}")
    axes.set_title(label(summary.where))
    legend_below(figure, axes)
    return figure


def _draw(axes: Axes, summary: Summary, row: Row, clock: Clock) -> tuple[float, float] | None:
    """Draw one variant and return the range of its mean losses after a tenth of the run, ``None`` without runs."""
    windows = summary.configuration["windows"]
    outcomes = [record.outcome for record in summary.runs(row.variant) if not record.outcome.diverged]
    if not outcomes:
        return None
    points = list(zip(*(outcome.curve for outcome in outcomes), strict=True))
    x = [
        fmean(reading(outcome, point, clock, windows) for outcome, point in zip(outcomes, at, strict=True))
        for at in points
    ]
    losses = [[point.loss for point in at] for at in points]
    means, look = [fmean(at) for at in losses], line(summary, row)
    axes.plot(x, means, linewidth=1.6, label=label(row.variant), **look)
    axes.fill_between(
        x, [min(at) for at in losses], [max(at) for at in losses], color=look["color"], alpha=0.13, linewidth=0
    )
    late = means[-(-len(means) // 10) :] or means
    return min(late), max(late)
