"""How the figures look: one colour a variant, ink that follows the page's, sizes that a phone can show."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.analysis.row import Row
from studies.analysis.summary import Summary
from studies.reports.texts import plain

INK = "#0a0b0c"
"""Stands for the page's text colour in the SVG, light or dark; nearly black in a PNG."""
SIZE = (5.8, 4.2)
"""In inches of 72 CSS pixels: narrow, so that letters stay readable when a phone shrinks the figure to its width."""
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw with the house's settings; ``name`` keeps the ids of several figures on a page apart."""
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
    settings: dict[Any, Any] = {
        **dict.fromkeys(ink, INK),
        "axes.grid": True,
        "grid.alpha": 0.2,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "savefig.transparent": True,
    }
    with mpl.rc_context(settings):
        yield


def line(summary: Summary, row: Row) -> dict[str, Any]:
    """Return the variant's colour and dashes, the same in every figure: baselines are dashed."""
    place = summary.rows.index(row)
    pattern = _DASHES[1] if row.is_baseline else _DASHES[0]
    return {"color": mpl.colormaps["tab10"](place % 10), "linestyle": pattern if place < 10 else _DASHES[2]}


def label(name: str) -> str:
    """Return a name as a label that matplotlib takes for no formula."""
    return plain(name).replace("$", r"\$")


def legend_below(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """Put the legend under the axes."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(handles)))


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """Return the figure as an ``svg`` element for an HTML page, without links, in the page's ink.

    ``label`` says what it shows to those who cannot see it.
    """
    with io.StringIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    # Every figure of matplotlib calls its parts alike; on one page the ids must differ.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = text.replace(INK, "currentColor")
    text = re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", text)
    safe = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{safe}" ', text, count=1)
