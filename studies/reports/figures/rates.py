"""Sensitivity to the learning rate: the tuning runs of every variant."""

from statistics import fmean

from matplotlib.figure import Figure

from studies.analysis.summary import Summary
from studies.reports.figures.style import SIZE, label, legend_below, line


def rate_sensitivity(summary: Summary) -> Figure | None:
    """Return mean validation loss of the tuning runs over the learning rate; ``None`` with one rate a variant.

    A rate at which a run diverged has no point; the chosen rate is marked.
    """
    if all(len(row.tuning) < 2 for row in summary.rows):
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    for row in summary.rows:
        found = {lr: [x for x in losses if x is not None] for lr, losses in row.tuning.items()}
        means = {lr: fmean(found[lr]) for lr, losses in row.tuning.items() if losses and len(found[lr]) == len(losses)}
        if not means:
            continue
        look = line(summary, row)
        axes.plot(list(means), list(means.values()), marker=".", linewidth=1.4, label=label(row.variant), **look)
        if row.lr in means:
            axes.plot([row.lr], [means[row.lr]], marker="o", markersize=8, fillstyle="none", color=look["color"])
    axes.set_xscale("log")
    axes.set_xlabel("learning rate (circle: chosen)")
    axes.set_ylabel("validation loss after tuning runs")
    legend_below(figure, axes)
    return figure
