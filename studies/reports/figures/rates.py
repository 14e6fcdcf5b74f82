"""Sensitivity to the learning rate: the tuning runs of every variant."""

from collections.abc import Mapping
from statistics import fmean

from matplotlib.figure import Figure

from studies.analysis.row import Row
from studies.analysis.summary import Summary
from studies.reports.figures.drawing import Drawing
from studies.reports.figures.scale import near, padded
from studies.reports.figures.style import SIZE, label
from studies.reports.figures.variants import keys, look

TALL = 5.0
"""The scale holds so many times the range of the variants' best losses."""
_CAPTION = (
    "Mean validation loss of the tuning runs at each learning rate, the chosen one in a circle; a rate at which a run "
    "diverged has no point."
)


def rate_sensitivity(summary: Summary) -> Drawing | None:
    """Return mean validation loss of the tuning runs over the learning rate; ``None`` with one rate a variant.

    A rate at which a run diverged has no point; the chosen rate is marked.
    """
    if all(len(row.tuning) < 2 for row in summary.rows):
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    found = {row.variant: _means(row) for row in summary.rows}
    for row in summary.rows:
        means, drawn = found[row.variant], look(summary, row)
        if means:
            axes.plot(list(means), list(means.values()), marker=".", linewidth=1.5, label=label(row.variant), **drawn)
        if row.lr in means:
            axes.plot([row.lr], [means[row.lr]], "o", markersize=8, fillstyle="none", color=drawn["color"],
                      gid=drawn["gid"])  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel(f"validation loss after tuning{summary.unit}")
    caption = _CAPTION
    if limits := _limits(found):
        axes.set_ylim(limits)
        lost = sum(loss > limits[1] for means in found.values() for loss in means.values())
        caption += f" Points above the scale: {lost}." if lost else ""
    data: list[list[object]] = [["variant", "lr", "mean_loss"]]
    data += [[name, lr, loss] for name, means in found.items() for lr, loss in means.items()]
    return Drawing(figure=figure, caption=caption, data=data, keys=keys(summary))


def _means(row: Row) -> dict[float, float]:
    kept = {lr: [x for x in losses if x is not None] for lr, losses in row.tuning.items()}
    return {lr: fmean(kept[lr]) for lr, losses in row.tuning.items() if losses and len(kept[lr]) == len(losses)}


def _limits(found: Mapping[str, Mapping[float, float]]) -> tuple[float, float] | None:
    """Return a scale on which the best rates of the variants near the best come apart."""
    best = {name: min(means.values()) for name, means in found.items() if means}
    if not best:
        return None
    low, most = min(best.values()), max(loss for means in found.values() for loss in means.values())
    spread = max(best[name] for name in near({name: loss - low for name, loss in best.items()}, ())) - low
    return padded(low, min(most, low + TALL * spread) if spread else most)
