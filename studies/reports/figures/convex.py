"""The figure: the gap against epochs, work and seconds, one line a method, its median over the seeds."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

import matplotlib as mpl
from matplotlib.figure import Figure

from studies.analysis.convex import CLOSE, Row
from studies.convex.study import MethodResult
from studies.convex.training import Mark

PANELS = {
    "epochs": "epochs",
    "passes": "work, in gradients of the whole data",
    "seconds": "seconds of training, one thread",
}
_STYLES = ("-", "--", ":")


def draw(rows: Sequence[Row], results: Sequence[MethodResult], title: str, path: Path) -> None:
    """Write the figure; the legend is in the order of the rows, diverged runs are left out."""
    by_name = {result.name: result for result in results}
    figure = Figure(figsize=(17.0, 7.0), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for place, row in enumerate(rows):
        curves = [trial.curve for trial in by_name[row.name].evaluation if not trial.diverged]
        marks: list[tuple[Mark, ...]] = list(zip(*curves, strict=False))
        if not marks:
            continue
        gaps = [median(mark.gap for mark in at) for at in marks]
        colour, style = mpl.colormaps["tab20"](place % 20), _STYLES[place // 20 % len(_STYLES)]
        for axes, over in zip(panels, PANELS, strict=True):
            # Work and seconds are 0 at the start, which a log scale has no place for.
            first = 0 if over == "epochs" else 1
            x = [fmean(getattr(mark, over) for mark in at) for at in marks[first:]]
            label = row.name if over == "epochs" else None
            axes.plot(x, gaps[first:], style, color=colour, linewidth=1.3, label=label)
    for axes, (over, label) in zip(panels, PANELS.items(), strict=True):
        axes.set_yscale("log")
        axes.set_ylim(top=20.0)
        if over != "epochs":
            axes.set_xscale("log")
        axes.axhline(CLOSE, color="0.4", linewidth=1, linestyle=":")
        axes.set_xlabel(label)
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("(f - f*) / f*, median over the seeds")
    figure.suptitle(title, parse_math=False, fontsize=11)
    figure.legend(loc="outside right upper", frameon=False, fontsize=7.5, ncols=1 if len(rows) < 22 else 2)
    figure.savefig(path, dpi=90, metadata={"Software": None})
