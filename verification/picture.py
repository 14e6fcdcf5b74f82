"""A picture of rounding: how far an operator is from what it should be as its pairs turn bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from verification.law import Subject
from verification.operator.dense import Direction, norm
from verification.parts import memory_direction
from verification.references import two_loop
from verification.roles import BadSubjectError, candidate
from verification.strategies import OperatorCase
from verification.tolerances import TOLERANCES

COSINES = tuple(10.0 ** (-k / 4) for k in range(9))
"""From y parallel to s, 1, to 0.01; float32 stops at 0.1, below which |H| may overflow."""
SIZE, PAIRS, SEEDS = 16, 4, 20
COLOURS = {"float32": "#d95f02", "float64": "#1b9e77"}


def _case(cosine: float, seed: int, dtype: str) -> OperatorCase:
    return OperatorCase(SIZE, (cosine,) * PAIRS, ((0, 0),) * PAIRS, 2, seed, dtype)


def _errors(direction: Direction, case: OperatorCase) -> tuple[float, float, float]:
    """|H y_m - s_m| and |H v - (two-loop in float64)| over the magnitude of H, and what is allowed."""
    c, S, Y, h0, v = case.conditioning, case.S, case.Y, case.h0, case.v
    secant = norm(direction(S, Y, h0, Y[-1]) - S[-1]) / (c.magnitude * norm(Y[-1]))
    away = norm(direction(case.S, case.Y, case.h0, case.v) - two_loop.direction(S, Y, h0, v))
    allowed = TOLERANCES["operator"](case.dtype, m=c.m, n=c.n, c_min=c.c_min)
    return secant, away / (c.magnitude * norm(v)), allowed


def plot_secant_error(part: Any, path: str | Path | None = None) -> Any:
    """Draw the largest errors of H y_m = s_m and of H v over the cosine of the pairs; return the matplotlib figure.

    ``part``: a factory of memories or a function ``direction(S, Y, h0, g)``. ``path``: where to save, if anywhere.
    The dashed lines are the laws' tolerance, 100 u m / c_min; errors are relative to the size of the intermediate
    results (:class:`~verification.conditioning.Conditioning`). Raises BadSubjectError for a part of another role.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    subject = candidate(part)
    if subject.role not in (Subject.MEMORY, Subject.OPERATOR):
        raise BadSubjectError(f"{subject.name} is a {subject.role.value}; the picture is of a memory or an operator.")
    direction = subject.target if subject.role is Subject.OPERATOR else memory_direction(part)
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="cosine of the pairs, s'y / |s||y|", ylabel="relative error")
    for dtype, colour in COLOURS.items():
        cosines = [c for c in COSINES if dtype == "float64" or c >= 0.1]
        found = np.array([[_errors(direction, _case(c, seed, dtype)) for seed in range(SEEDS)] for c in cosines])
        secant, away, allowed = np.maximum(found.max(axis=1), 1e-18).T  # an exact secant is drawn at the bottom
        axes.loglog(cosines, away, "o-", color=colour, label=f"H v against the textbook, {dtype}")
        axes.loglog(cosines, secant, "s:", color=colour, label=f"H y = s, {dtype}")
        axes.loglog(cosines, allowed, "--", color=colour, label=f"allowed, {dtype}")
    axes.invert_xaxis()
    axes.set_title(subject.name, fontsize="medium")
    axes.legend(fontsize="x-small", ncols=2)
    if path is not None:
        with rc_context({"svg.hashsalt": "secant error"}):
            figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)
    return figure
