"""Performance profiles: on which share of the seeds is a variant within tau times the fastest?"""

from matplotlib.figure import Figure

from studies.analysis.summary import Summary
from studies.reports.figures.drawing import Drawing
from studies.reports.figures.style import SIZE, label
from studies.reports.figures.variants import keys, look

WIDEST = 8.0
"""Ratios beyond this are not drawn; the profile's height at the right edge says how many runs came there at all."""
_CAPTION = (
    "Performance profiles: the share of the seeds on which a variant needed at most so many times what the fastest "
    "needed. Left: who is fastest how often; right: who came there at all."
)


def performance_profiles(summary: Summary) -> Drawing | None:
    """Return the profiles on steps and on seconds side by side; ``None`` when nothing reached the target."""
    races = [race for clock in ("steps", "seconds") if (race := summary.race(clock)) is not None]
    if not races or not any(races[0].successes(row.variant) for row in summary.rows):
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = figure.subplots(1, len(races), sharey=True, squeeze=False)[0]
    data: list[list[object]] = [["clock", "variant", "times_the_fastest", "share_of_seeds"]]
    for race, axes in zip(races, panels, strict=True):
        for row in summary.rows:
            profile = race.profile(row.variant)
            x = [1.0, *(tau for tau, _ in profile), WIDEST]
            y = [0.0, *(share for _, share in profile), profile[-1][1] if profile else 0.0]
            axes.step(x, y, where="post", linewidth=1.6, label=label(row.variant), **look(summary, row))
            data += [[race.clock, row.variant, *point] for point in profile]
        axes.set_xscale("log", base=2)
        axes.set_xlim(1.0, WIDEST)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        axes.set_xlabel(f"{race.clock}, over the fastest")
    panels[0].set_ylabel("share of seeds")
    return Drawing(figure=figure, caption=_CAPTION, data=data, keys=keys(summary))
