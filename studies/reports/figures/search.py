"""The figures of a search: how much each factor explains, and how the trials of each level did."""

from collections.abc import Iterator, Sequence
from math import isfinite
from statistics import median

from matplotlib.figure import Figure

from studies.analysis.search import Importance, Proposal
from studies.planning.search import SearchPlan
from studies.reports.figures.dots import Dots, dot_plot
from studies.reports.figures.drawing import Drawing, Picture, picture
from studies.reports.figures.scale import near, padded
from studies.reports.figures.style import SIZE, colour, style


def search_pictures(plan: SearchPlan, found: Sequence[Proposal], matters: Importance | None) -> Iterator[Picture]:
    """Yield the figures that the search has something to show for."""
    if matters is not None:
        with style("shares"):
            yield picture("shares", "What matters most", shares(matters))
    if kept := [proposal for proposal in found if isfinite(proposal.loss)]:
        with style("levels"):
            yield picture("levels", "Every trial, by its levels", levels(plan, kept))


def shares(matters: Importance) -> Drawing:
    """Return the total shares as bars, the largest on top; of exact ones, what the factor explains alone is solid."""
    names = sorted(matters.totals, key=lambda name: matters.totals[name])
    figure = Figure(figsize=(SIZE[0], 0.9 + 0.36 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    told = "with interactions" if matters.shares else "alone"
    axes.barh(names, [matters.totals[name] for name in names], color=colour(0), alpha=0.45, label=told)
    if matters.shares:
        axes.barh(names, [matters.shares[(name,)] for name in names], color=colour(0), label="alone")
        axes.legend(loc="lower right")
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of the variance")
    data = [[name, matters.totals[name], matters.shares.get((name,))] for name in reversed(names)]
    caption = f"Bars: the share of the variance that each factor explains. {matters.note}"
    return Drawing(figure=figure, caption=caption, data=[["factor", "total_share", "share_alone"], *data])


def levels(plan: SearchPlan, kept: Sequence[Proposal]) -> Drawing:
    """Return the losses of the trials at each level of each factor, on the scale of the better half."""
    lines = []
    for place, (factor, names) in enumerate(plan.space.levels.items()):
        for level in names:
            losses = [proposal.loss for proposal in kept if proposal.choice[factor] == level]
            middle = median(losses) if losses else None
            lines.append(Dots(name=f"{factor}: {level}", values=losses, middle=middle, colour=colour(place)))
    best = min(proposal.loss for proposal in kept)
    inside = near({proposal.key: proposal.loss - best for proposal in kept}, ())
    top = max(proposal.loss for proposal in kept if proposal.key in inside)
    lost = sum(proposal.loss > top for proposal in kept)
    caption = "A point for each trial, a tick for the median of a level; further left is better."
    caption += f" Trials off the scale: {lost}." if lost else ""
    data: list[list[object]] = [[*plan.space.levels, "lr", "loss"]]
    data += [[*(proposal.choice[name] for name in plan.space.levels), proposal.lr, proposal.loss] for proposal in kept]
    figure = dot_plot(lines, "mean validation loss of a trial", limits=padded(best, top))
    return Drawing(figure=figure, caption=caption, data=data)
