"""Loss curves: mean over the evaluation seeds of each variant, with the range that they span, on three clocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from studies.analysis.clocks import CLOCKS, Clock, reading
from studies.analysis.row import Row
from studies.analysis.summary import Summary
from studies.analysis.words import sentence_case
from studies.reports.figures.drawing import Drawing
from studies.reports.figures.scale import near, padded
from studies.reports.figures.style import SIZE, label, legend_below, mark, style
from studies.reports.figures.variants import keys, look, place

TALL = 3.0
"""The scale holds so many times the range in which the variants that matter end."""


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """A variant's mean losses and their ends over the seeds, at each mark of the clock."""

    row: Row
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    runs: int

    @property
    def late(self) -> Sequence[float]:
        """The means after a tenth of the run; the first ones, near ln(symbols), are far above all differences."""
        return self.mean[-(-len(self.mean) // 10) :] or self.mean


def draw_curves(summary: Summary, clock: Clock, path: Path) -> None:
    """Write validation loss over the clock as PNG."""
    with style(f"curves-{clock}"):
        figure = curves(summary, clock, size=(7.5, 5.2)).figure
        (axes,) = figure.axes
        axes.set_title(label(sentence_case(summary.where)))
        legend_below(figure, axes)
        figure.savefig(path, dpi=120, metadata={"Software": None}, transparent=False)


def curves(summary: Summary, clock: Clock, size: tuple[float, float] = SIZE) -> Drawing:
    """Return validation loss over the clock; diverged runs and variants without runs are left out."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    found = [curve for row in summary.rows if (curve := _curve(summary, row, clock)) is not None]
    for curve in found:
        drawn = look(summary, curve.row)
        axes.plot(curve.x, curve.mean, linewidth=1.7, label=label(curve.row.variant), **drawn)
        axes.fill_between(curve.x, curve.low, curve.high, color=drawn["color"], alpha=0.12, linewidth=0,
                          gid=mark(place(summary, curve.row)))  # fmt: skip
    limits = _limits(summary, found)
    if found:
        axes.set_ylim(limits)
        axes.set_xlim(0, max(max(curve.x) for curve in found) or None)
    axes.set_xlabel(CLOCKS[clock])
    axes.set_ylabel(f"validation loss{summary.unit}")
    drawn_keys = [key for key in keys(summary) if any(place(summary, curve.row) == key.place for curve in found)]
    return Drawing(
        figure=figure, caption=_caption(summary, clock, found, limits[1]), data=_data(found, clock), keys=drawn_keys
    )


def _curve(summary: Summary, row: Row, clock: Clock) -> _Curve | None:
    """Return the variant's curve, ``None`` without runs."""
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
    return _Curve(
        row=row, x=x, mean=[fmean(at) for at in losses], low=[min(at) for at in losses],
        high=[max(at) for at in losses], runs=len(outcomes),
    )  # fmt: skip


def _limits(summary: Summary, found: Sequence[_Curve]) -> tuple[float, float]:
    """Return a scale on which the variants near the best, and the reference, come apart where they end."""
    if not found:
        return 0.0, 1.0
    ends = {curve.row.variant: curve.mean[-1] for curve in found}
    best = min(ends.values())
    kept = near({name: end - best for name, end in ends.items()}, [curve.high[-1] - curve.low[-1] for curve in found])
    matter = [curve for curve in found if curve.row.variant in kept | {summary.reference}]
    low = min(min(min(curve.mean), curve.low[-1]) for curve in matter)
    spread = max(curve.high[-1] for curve in matter) - low
    late = max(max(curve.late) for curve in matter)
    return padded(low, max(min(late, low + TALL * spread), max(curve.high[-1] for curve in matter)))


def _caption(summary: Summary, clock: Clock, found: Sequence[_Curve], top: float) -> str:
    told = f"Validation loss over {CLOCKS[clock]}: mean over the evaluation seeds, with the range that they span."
    if any(curve.row.is_baseline for curve in found):
        told += " Baselines are dashed."
    above = [f"{curve.row.variant} ({curve.mean[-1]:.4f})" for curve in found if curve.mean[-1] > top]
    if above:
        told += f" The scale is that of the variants near the best; above it ends {', '.join(above)}."
    if summary.chance is not None:
        name, value = summary.chance
        told += f" For comparison: {name} is {value:.4f}, for a model that ignores its inputs."
    return told


def _data(found: Sequence[_Curve], clock: Clock) -> list[list[object]]:
    lines: list[list[object]] = [["variant", clock, "mean_loss", "lowest_loss", "highest_loss", "runs"]]
    for curve in found:
        points = zip(curve.x, curve.mean, curve.low, curve.high, strict=True)
        lines += [[curve.row.variant, *point, curve.runs] for point in points]
    return lines
