"""The forest plot: each variant's difference to the reference in test loss, its interval, and every seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.analysis.row import Row
from studies.analysis.statistics import Comparison
from studies.analysis.summary import Summary
from studies.reports.figures.drawing import Drawing
from studies.reports.figures.scale import near, padded
from studies.reports.figures.style import INK, SIZE, colour, label, mark, short
from studies.reports.figures.variants import differences, place

_Line = tuple[Row, Comparison, Mapping[int, float]]
LONGEST = 30
"""A longer name gets smaller letters: its numbers stand on the same line."""
_P = 0.85
"""Where the interval ends and p begins, as a share of the width."""
_NAME, _BAND = 0.34, 0.18
"""Above the middle of a line stands its name; so far the points of the seeds lie around it."""


def forest(summary: Summary) -> Drawing | None:
    """Return the plot, the best variant on top; ``None`` without a comparison."""
    lines: list[_Line] = [(row, row.test, differences(summary, row)) for row in summary.rows if row.test is not None]
    if not lines:
        return None
    lines.sort(key=lambda line: line[1].mean)
    figure = Figure(figsize=(SIZE[0], 0.75 + 0.46 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    low, high = _limits(lines)
    axes.set_xlim(low, high)
    axes.set_ylim(len(lines) - 0.5, -0.62)
    for number, line in enumerate(lines):
        _draw(axes, summary, line, number)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"test loss less that of {label(summary.reference, LONGEST)}{summary.unit}; further left is better")
    return Drawing(figure=figure, caption=_caption(lines, low, high), data=_data(lines))


def _limits(lines: Sequence[_Line]) -> tuple[float, float]:
    """Return limits that hold the intervals of what is not too far away, and the seeds around them."""
    tests = {row.variant: test for row, test, _ in lines}
    widths = [test.high - test.low for test in tests.values() if test.low is not None and test.high is not None]
    kept = near({name: abs(test.mean) for name, test in tests.items()}, widths)
    ends = [x for name in kept for x in (tests[name].low, tests[name].high, tests[name].mean) if x is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    seeds = [x for row, _, found in lines if row.variant in kept for x in found.values()]
    room = 0.5 * (high - low)
    return padded(max(min([low, *seeds]), low - room), min(max([high, *seeds]), high + room))


def _draw(axes: Axes, summary: Summary, line: _Line, number: int) -> None:
    (row, test, found), (low, high) = line, axes.get_xlim()
    ink, gid = colour(place(summary, row)), mark(place(summary, row))
    axes.plot([0, 0], [number - 0.12, number + 0.46], color=INK, linewidth=0.9, alpha=0.55)
    jitter = [number + _BAND * (2 * (k * 0.618 % 1) - 1) * 0.7 for k in range(len(found))]
    shown = [(x, y) for x, y in zip(found.values(), jitter, strict=True) if low <= x <= high]
    axes.plot(*zip(*shown, strict=True) if shown else ((), ()), ".", color=ink, alpha=0.55, markersize=5, gid=gid)
    if test.low is not None and test.high is not None:
        axes.plot([test.low, test.high], [number] * 2, color=ink, linewidth=2.4, solid_capstyle="round", gid=gid)
    if low <= test.mean <= high:
        fill = ink if test.is_clear else "none"
        axes.plot([test.mean], [number], "D", color=ink, markerfacecolor=fill, markersize=6.5, gid=gid)
    else:
        axes.plot([low if test.mean < low else high], [number], "<" if test.mean < low else ">", color=ink,
                  markersize=8, clip_on=False, gid=gid)  # fmt: skip
    size = 9 * min(1.0, LONGEST / max(len(short(row.variant)), 1))
    at: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "gid": gid}
    axes.text(0.0, number - _NAME, label(row.variant), ha="left", fontweight="bold", fontsize=size, **at)
    difference, p = _numbers(test)
    axes.text(_P if p else 1.0, number - _NAME, difference, ha="right", fontsize=9, **at)
    axes.text(1.0, number - _NAME, p, ha="right", fontsize=9, **at)


def _numbers(test: Comparison) -> tuple[str, str]:
    """Return mean with interval, and p, as the table has them."""
    interval = "" if test.low is None else f" [{test.low:+.4f}, {test.high:+.4f}]"
    p = test.p_in_words
    told = "" if p is None else f"p {p}" if p.startswith("<") else f"p = {p}"
    return f"{test.mean:+.4f}{interval}".replace("-", "\N{MINUS SIGN}"), told


def _caption(lines: Sequence[_Line], low: float, high: float) -> str:
    some = any(test.low is not None for _, test, _ in lines)
    parts = ["Differences in test loss, paired by seed: a point for each seed, a diamond for the mean"]
    parts.append(", filled where the difference is significant" if any(t.is_clear for _, t, _ in lines) else "")
    parts.append(", a bar for its 95 % interval" if some else "")
    parts.append("; p after Holm's correction" if any(t.p_in_words for _, t, _ in lines) else "")
    away = [row.variant for row, test, _ in lines if not low <= test.mean <= high]
    parts.append(f". Arrows point to what is off the scale: {', '.join(away)}" if away else "")
    lost = sum(not low <= x <= high for row, _, found in lines if row.variant not in away for x in found.values())
    return "".join(parts) + (f". Seeds off the scale: {lost}." if lost else ".")


def _data(lines: Sequence[_Line]) -> list[Sequence[object]]:
    found: list[Sequence[object]] = [("variant", "seed", "difference", "low", "high", "p_holm")]
    found += [(row.variant, "mean", test.mean, test.low, test.high, test.p_holm) for row, test, _ in lines]
    found += [(row.variant, seed, each, None, None, None) for row, _, seeds in lines for seed, each in seeds.items()]
    return found
