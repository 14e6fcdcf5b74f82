"""Pairs admitted and skipped, and roll-backs, over a run: what the memory and the guard did when."""

from collections import Counter

from matplotlib.figure import Figure

from studies.analysis.row import Row
from studies.analysis.summary import Summary
from studies.reports.figures.drawing import Drawing
from studies.reports.figures.style import INK, SIZE, label, mark
from studies.reports.figures.variants import place as place_of

MOST_BINS = 20
COLOURS = {"ADMITTED": "tab:blue", "SKIPPED": "#9aa0a6", "ROLLED_BACK": "tab:red"}
NAMES = {"ADMITTED": "pair admitted", "SKIPPED": "pair skipped", "ROLLED_BACK": "rolled back"}
_CAPTION = (
    "How the windows ended over the run: the shares, over all evaluation seeds, of those whose pair was admitted, "
    "whose pair failed its curvature test, and that were rolled back."
)


def windows_over_time(summary: Summary) -> Drawing | None:
    """Return, for each quasi-Newton variant, the shares of its windows that ended in each way, over the steps.

    ``None`` when no run has events.
    """
    rows = [row for row in summary.rows if any(run.outcome.events for run in summary.runs(row.variant))]
    if not rows:
        return None
    figure = Figure(figsize=(SIZE[0], 0.75 + 0.7 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    steps = summary.configuration["steps"]
    ends = {step for row in rows for run in summary.runs(row.variant) for step, _ in run.outcome.events}
    bins = min(MOST_BINS, len(ends) + 1)  # the first window has no pair and no event
    data: list[list[object]] = [["variant", "from_step", "how_it_ended", "share_of_windows"]]
    for row, axes in zip(rows, panels, strict=True):
        bottom = [0.0] * bins
        for kind, heights in shares(summary, row, steps, bins).items():
            left = [place * steps / bins for place in range(bins)]
            axes.bar(left, heights, steps / bins, bottom, align="edge", color=COLOURS[kind], label=NAMES[kind])
            data += [[row.variant, start, NAMES[kind], share] for start, share in zip(left, heights, strict=True)]
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        axes.set_xlim(0, steps)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.set_title(
            label(row.variant, 70), loc="left", fontsize=9, pad=2, color=INK, gid=mark(place_of(summary, row))
        )
    panels[-1].set_xlabel("steps")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return Drawing(figure=figure, caption=_CAPTION, data=data)


def shares(summary: Summary, row: Row, steps: int, bins: int) -> dict[str, list[float]]:
    """Return kind -> share of the windows in each of ``bins`` stretches of the run that ended so, over all seeds."""
    counts = {kind: Counter[int]() for kind in COLOURS}
    for run in summary.runs(row.variant):
        for step, kind in run.outcome.events:
            counts[kind][min(bins - 1, (step - 1) * bins // steps)] += 1
    totals = [sum(count[place] for count in counts.values()) for place in range(bins)]
    return {
        kind: [count[place] / total if total else 0.0 for place, total in enumerate(totals)]
        for kind, count in counts.items()
    }
