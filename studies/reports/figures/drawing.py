"""A figure with what belongs to it, caption, numbers and legend, as part of a page and as a file of its own."""

import io
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from matplotlib.figure import Figure

from studies.reports.csv import csv_text
from studies.reports.figures.style import INK, short
from studies.reports.texts import plain

_LETTER, _SWATCH, _LINE = 5.4, 30.0, 15.0
"""Of the legend of a file, in points: the width of a letter and of the line before a name, the height of a row."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """How a row of the tables is drawn: ``place`` is its number there, ``dashes`` as SVG has them."""

    place: int
    name: str
    colour: str
    dashes: str = ""

    @property
    def swatch(self) -> str:
        """A short line as the attributes of an SVG element."""
        dashes = f' stroke-dasharray="{self.dashes}"' if self.dashes else ""
        return f'stroke="{self.colour}" stroke-width="2"{dashes}'


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure, what it shows in words, its numbers with their headings first, and what its colours mean.

    Whatever has the gid ``v3`` shows the row number 3; without ``keys`` the figure tells itself what is what.
    """

    figure: Figure
    caption: str
    data: Sequence[Sequence[object]]
    keys: Sequence[Key] = ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing as text: ``svg`` for a page, ``file`` on its own with a legend, ``data`` as CSV.

    Pictures of the same ``section`` show the same over another ``over``.
    """

    name: str
    section: str
    over: str
    caption: str
    svg: str
    file: str = field(repr=False)
    data: str = field(repr=False)

    @property
    def links(self) -> tuple[tuple[str, str, str], ...]:
        """What can be downloaded: (kind, name of the file, data URI)."""
        return (
            ("SVG", f"{self.name}.svg", _uri("image/svg+xml", self.file)),
            ("CSV", f"{self.name}.csv", _uri("text/csv", self.data)),
        )


def by_section(pictures: Iterable[Picture]) -> list[tuple[str, list[Picture]]]:
    """Return the pictures under the headings of their sections."""
    return [(section, list(found)) for section, found in groupby(pictures, key=lambda picture: picture.section)]


def picture(name: str, section: str, drawing: Drawing, over: str = "") -> Picture:
    """Return the drawing as text; the same drawing gives the same bytes."""
    with io.StringIO() as opened:
        drawing.figure.savefig(opened, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", opened.getvalue(), flags=re.DOTALL)
    text = re.sub(r'<g id="v(\d+)">', r'<g data-v="\1">', text)
    return Picture(
        name=name, section=section, over=over, caption=drawing.caption, svg=_inline(text, name, drawing.caption),
        file=_alone(text, drawing.keys), data=csv_text(drawing.data),
    )  # fmt: skip


def _alone(text: str, keys: Sequence[Key]) -> str:
    """Return the SVG for a file: on white, with its legend below; whoever shows it does not give it a page's ink."""
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="[^"]*"', text)
    if size is None:
        raise ValueError("the figure's SVG has no size")
    width, height = float(size[1]), float(size[2])
    legend, low = _legend(keys, width, height)
    told = f'width="{width:g}pt" height="{low:g}pt" viewBox="0 0 {width:g} {low:g}"'
    begin = text.index(">", size.end()) + 1
    white = '\n <rect width="100%" height="100%" fill="#ffffff"/>'
    head, body = text[:begin].replace(size[0], told), text[begin:].rstrip().removesuffix("</svg>")
    return f"{head}{white}{body}{legend}</svg>\n"


def _legend(keys: Sequence[Key], width: float, top: float) -> tuple[str, float]:
    """Return the legend of a file, and where it ends."""
    if not keys:
        return "", top
    cell = _SWATCH + _LETTER * max(len(short(key.name)) for key in keys) + 8
    columns = max(1, int((width - 16) // cell))
    rows = -(-len(keys) // columns)
    found = []
    for number, key in enumerate(keys):
        x, y = 12 + number // rows * cell, top + 8 + number % rows * _LINE
        line = f'<line x1="{x:g}" x2="{x + 22:g}" y1="{y:g}" y2="{y:g}" {key.swatch}/>'
        name = escape(short(key.name), quote=False)
        text = f'<text x="{x + _SWATCH - 3:g}" y="{y + 3:g}" style="font: 9px sans-serif; fill: {INK}">{name}</text>'
        found.append(f' <g data-v="{key.place}">{line}{text}</g>\n')
    return "".join(found), top + rows * _LINE + 6


def _inline(text: str, name: str, label: str) -> str:
    """Return the SVG as an element of an HTML page, without links, in the page's ink.

    ``label`` says what it shows to those who cannot see it.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    # Every figure of matplotlib calls its parts alike; on one page the ids must differ.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = text.replace(INK, "currentColor")
    text = re.sub(r"font: ([^;\"]*?)([0-9.]+px) [^;\"]*", r"font: \1\2 system-ui, sans-serif", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(plain(label))}" ', 1)


def _uri(kind: str, text: str) -> str:
    return f"data:{kind};base64,{b64encode(text.encode('utf-8', 'backslashreplace')).decode()}"
