"""Dot plots: a line for each name, a point for each of its values, a tick at their middle."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from studies.reports.figures.style import SIZE, label


@dataclass(frozen=True, kw_only=True)
class Dots:
    """A line: its values, where its tick stands, its colour and the gid of what is drawn."""

    name: str
    values: Sequence[float]
    middle: float | None
    colour: str
    gid: str | None = None


def dot_plot(
    lines: Sequence[Dots], told: str, *, log: bool = False, limits: tuple[float, float] | None = None
) -> Figure:
    """Return the plot, the first line on top; ``told`` says what is measured."""
    figure = Figure(figsize=(SIZE[0], 0.7 + 0.235 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    for number, line in enumerate(lines):
        axes.plot(line.values, [number] * len(line.values), "o", color=line.colour, alpha=0.45, markersize=4,
                  markeredgewidth=0, gid=line.gid)  # fmt: skip
        if line.middle is not None:
            axes.plot([line.middle], [number], "|", color=line.colour, markersize=11, markeredgewidth=2.4, gid=line.gid)
    if log:
        axes.set_xscale("log")
    if limits is not None:
        axes.set_xlim(limits)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_yticks(range(len(lines)), [label(line.name) for line in lines], fontsize=9)
    axes.tick_params(axis="y", length=0)
    for text, line in zip(axes.get_yticklabels(), lines, strict=True):
        text.set_gid(line.gid)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(told)
    return figure
