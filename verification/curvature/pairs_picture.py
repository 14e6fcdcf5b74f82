"""A report on pairs as a picture: are the cosines large, is the spectrum tame?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from verification.curvature.check import PairsReport
from verification.curvature.drawing import panels

GOOD, BAD = "#1b9e77", "#d95f02"


def draw(report: PairsReport, path: str | Path) -> None:
    """Left the cosine of every pair, right the eigenvalues of H in units of H0."""
    with panels(2, path, "pairs") as (left, right):
        _cosines(report, left)
        _spectrum(report, right)


def _cosines(report: PairsReport, axes: Any) -> None:
    numbers = np.arange(1, len(report.cosines) + 1)
    sound = (report.s_y > 0) & ~np.isin(numbers, report.unsure)
    sizes = np.maximum(np.abs(report.cosines), 1e-18)
    for mask, colour, label in ((sound, GOOD, "s'y > 0"), (~sound, BAD, "refused or unsure: |cosine|")):
        if mask.any():
            axes.plot(numbers[mask], sizes[mask], "o", color=colour, label=label)
    axes.axhline(report.pairs.roundoff, color="grey", linestyle=":", label=f"roundoff of {report.pairs.dtype}")
    axes.set(yscale="log", xlabel="pair, oldest first", ylabel="cosine of s and y")
    axes.set_ylim(top=2.0)
    axes.legend()


def _spectrum(report: PairsReport, axes: Any) -> None:
    axes.set(xlabel="eigenvalue, ascending", ylabel="H in units of H0")
    if report.span is None:
        return
    eigenvalues = report.span.eigenvalues
    axes.plot(np.arange(1, len(eigenvalues) + 1), np.maximum(eigenvalues, 1e-300), "o", color=GOOD, markersize=4)
    others = max(report.span.n - len(eigenvalues), 0)
    axes.axhline(1.0, color="grey", linestyle=":", label=f"the other {others} are 1")
    axes.set_yscale("log")
    axes.legend()
