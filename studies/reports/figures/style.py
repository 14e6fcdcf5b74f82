"""How the figures look: one colour a variant, ink that follows the page's, sizes that a phone can show."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.reports.texts import plain

INK = "#0a0b0c"
"""Stands for the page's text colour in the SVG, light or dark; nearly black in a file."""
SIZE = (5.8, 4.2)
"""In inches of 72 CSS pixels: narrow, so that letters stay readable when a phone shrinks the figure to its width."""
SOLID, DASHED, DOTTED = "", "5 2", "1.6 1.6"
LONGEST = 100
"""Letters of the longest name that is shown whole."""
_PALETTE = (
    "#2f7ed8", "#e8710a", "#2f9e44", "#d6336c", "#8a63d2", "#a0642c", "#16a0a8", "#8a929a", "#b59400", "#5c7cfa",
)  # fmt: skip
"""Ten colours that stand out from white and from a dark page alike."""


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw with the house's settings; ``name`` keeps the ids of several figures on a page apart."""
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
    settings: dict[Any, Any] = {
        **dict.fromkeys(ink, INK),
        "axes.grid": True,
        "grid.alpha": 0.15,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "savefig.transparent": True,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A page's letters are the reader's browser's; a PNG has a box for what the font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def colour(place: int) -> str:
    """Return the colour of a row of the tables."""
    return _PALETTE[place % len(_PALETTE)]


def dashes(place: int, dashed: bool = False) -> str:
    """Return the dashes of a row's lines, as SVG has them: another kind each time the colours are used up."""
    kinds = (DASHED, f"{DASHED} 1.6 2", "3 1.4") if dashed else (SOLID, DOTTED, "10 2")
    return kinds[place // len(_PALETTE) % len(kinds)]


def line(place: int, dashed: bool = False) -> dict[str, Any]:
    """Return how matplotlib draws a row's lines, the same in every figure."""
    parts = tuple(map(float, dashes(place, dashed).split()))
    return {"color": colour(place), "linestyle": (0, parts) if parts else "-", "gid": mark(place)}


def mark(place: int) -> str:
    """Return the gid of all that shows this row."""
    return f"v{place}"


def short(name: str, most: int = LONGEST) -> str:
    """Return a name on one line, without its middle where it is longer than a figure has room for."""
    told = plain(name)
    return told if len(told) <= most else f"{told[: most // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{told[-most // 2 :]}"


def label(name: str, most: int = LONGEST) -> str:
    """Return a name as a label that matplotlib takes for no formula."""
    return short(name, most).replace("$", r"\$")


def legend_below(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """Put the legend under the axes."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(handles)))
