"""Loss curves as PNG: mean over the evaluation seeds of each variant, with the range that they span."""

from pathlib import Path
from statistics import fmean
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.plan import Phase
from studies.summary import Row, Summary
from studies.training import Point

Axis = Literal["steps", "seconds"]
_LABELS = {"steps": "steps", "seconds": "seconds of training, one thread"}


def draw_curves(summary: Summary, over: Axis, path: Path) -> None:
    """Write validation loss over steps or seconds; diverged runs and variants without runs are left out."""
    figure = Figure(figsize=(9.0, 5.5), layout="constrained")
    axes = figure.add_subplot()
    ends = [_draw(axes, summary, row, over, place) for place, row in enumerate(summary.rows)]
    axes.axhline(summary.unigram_entropy, color="0.4", linewidth=1, linestyle=":", label="unigram entropy")
    shown = [end for end in ends if end is not None]
    if shown:
        # The first points, near ln(symbols), would press all differences into a few pixels.
        axes.set_ylim(min(shown) - 0.05, max(summary.unigram_entropy, *shown) + 0.1)
    axes.set_xlabel(_LABELS[over])
    axes.set_ylabel("validation loss, nats per character")
    axes.set_title(f"{summary.configuration['model']} on {summary.configuration['text']}", parse_math=False)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _draw(axes: Axes, summary: Summary, row: Row, over: Axis, place: int) -> float | None:
    """Draw one variant and return its last mean loss, or ``None`` when it has no run to draw."""
    curves = [
        record.outcome.curve
        for record in summary.records
        if record.cell.phase == Phase.EVALUATE and record.cell.variant == row.variant and not record.outcome.diverged
    ]
    if not curves:
        return None
    points: list[tuple[Point, ...]] = list(zip(*curves, strict=True))
    x = [fmean(getattr(point, over) for point in at) for at in points]
    losses = [[point.loss for point in at] for at in points]
    colour = mpl.colormaps["tab10"](place % 10)
    # Quasi-Newton recipes are drawn through, baselines dashed: colours alone do not tell ten lines apart.
    style = "-" if row.admitted is not None else "--"
    means = [fmean(at) for at in losses]
    axes.plot(x, means, style, color=colour, linewidth=1.6, label=row.variant)
    axes.fill_between(x, [min(at) for at in losses], [max(at) for at in losses], color=colour, alpha=0.12, lw=0)
    return means[-1]
