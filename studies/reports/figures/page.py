"""The figures of the page, in its order, with what they show in words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from studies.analysis.clocks import CLOCKS
from studies.analysis.summary import Summary
from studies.reports.figures.curves import curves
from studies.reports.figures.profiles import performance_profiles
from studies.reports.figures.rates import rate_sensitivity
from studies.reports.figures.style import inline_svg, style
from studies.reports.figures.windows import windows_over_time


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as an ``svg`` element under its section's heading, with a caption."""

    name: str
    section: str
    caption: str
    svg: str


def pictures(summary: Summary) -> list[Picture]:
    """Return the figures that the study has something to show for."""
    return list(_pictures(summary))


def write_figures(summary: Summary, folder: Path) -> list[tuple[Path, str]]:
    """Write the figures as SVG files, the same bytes for the same summary, and return (path, caption) of each.

    Figures that the folder held before and that the study no longer has are removed.
    """
    folder.mkdir(exist_ok=True)
    found = []
    for name, _, draw, caption in _plans():
        path = folder / f"{name}.svg"
        with style(name):
            figure = draw(summary)
            if figure is None:
                path.unlink(missing_ok=True)
                continue
            # On white, not transparent: whoever shows a file does not give it the page's ink.
            figure.savefig(path, metadata={"Date": None, "Creator": None}, transparent=False)
        found.append((path, caption))
    return found


def _pictures(summary: Summary) -> Iterator[Picture]:
    for name, section, draw, caption in _plans():
        with style(name):
            figure = draw(summary)
            if figure is not None:
                yield Picture(name=name, section=section, caption=caption, svg=inline_svg(figure, name, caption))


def _plans() -> Iterator[tuple[str, str, Callable[[Summary], Figure | None], str]]:
    """Yield (name, section, how to draw it, caption)."""
    for clock, label in CLOCKS.items():
        told = f"Validation loss over {label}: mean over the evaluation seeds, with the range that they span."
        yield f"curves-{clock}", "Loss curves", partial(curves, clock=clock), f"{told} Baselines are dashed."
    yield (
        "rates",
        "Sensitivity to the learning rate",
        rate_sensitivity,
        "Mean validation loss of the tuning runs at each learning rate; a rate at which a run diverged has no point.",
    )
    yield (
        "profiles",
        "Who reaches the target first",
        performance_profiles,
        "Performance profiles: the share of the seeds on which a variant needed at most so many times what the fastest "
        "needed. Left: who is fastest how often; right: who came there at all.",
    )
    yield (
        "windows",
        "Pairs and roll-backs over time",
        windows_over_time,
        "How the windows ended over the run: the shares, over all evaluation seeds, of those whose pair was admitted, "
        "whose pair failed its curvature test, and that were rolled back.",
    )
