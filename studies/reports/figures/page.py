"""The figures of an ablation, in the order of its page."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from studies.analysis.clocks import CLOCKS
from studies.analysis.summary import Summary
from studies.reports.figures.curves import curves
from studies.reports.figures.drawing import Drawing, Picture, picture
from studies.reports.figures.forest import forest
from studies.reports.figures.profiles import performance_profiles
from studies.reports.figures.rates import rate_sensitivity
from studies.reports.figures.style import style
from studies.reports.figures.windows import windows_over_time

Plan = tuple[str, str, str, Callable[[Summary], Drawing | None]]
"""Name, section of the page, what it is over where a section has several, and how to draw it."""
DIFFERENCES, CURVES, RACE = "Differences in test loss", "Loss curves", "Who reaches the target first"
PLANS: tuple[Plan, ...] = (
    ("differences", DIFFERENCES, "", forest),
    *((f"curves-{clock}", CURVES, clock, partial(curves, clock=clock)) for clock in CLOCKS),
    ("profiles", RACE, "", performance_profiles),
    ("rates", "Sensitivity to the learning rate", "", rate_sensitivity),
    ("windows", "Pairs and roll-backs over time", "", windows_over_time),
)


def pictures(summary: Summary) -> Iterator[Picture]:
    """Yield the figures that the study has something to show for."""
    for name, section, over, draw in PLANS:
        with style(name):
            if (drawing := draw(summary)) is not None:
                yield picture(name, section, drawing, over)


def figure_files(summary: Summary) -> dict[str, str]:
    """Return the figures as SVG and their numbers as CSV, by the name of a file."""
    return {
        name: text
        for found in pictures(summary)
        for name, text in ((f"{found.name}.svg", found.file), (f"{found.name}.csv", found.data))
    }


def write_figures(summary: Summary, folder: Path) -> list[tuple[Path, str]]:
    """Write the figures as SVG files, the same bytes for the same summary, and return (path, caption) of each.

    Figures that the folder held before and that the study no longer has are removed.
    """
    made = {f"{found.name}.svg": found for found in pictures(summary)}
    folder.mkdir(exist_ok=True)
    for name, *_ in PLANS:
        if f"{name}.svg" not in made:
            (folder / f"{name}.svg").unlink(missing_ok=True)
    for name, found in made.items():
        (folder / name).write_text(found.file, encoding="utf-8")
    return [(folder / name, found.caption) for name, found in made.items()]
