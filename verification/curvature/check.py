"""Are these pairs right? What s, y and H0 alone can say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.curvature.given_pairs import GivenPairs, given_pairs
from verification.curvature.pair_directions import Directions, directions
from verification.curvature.span import Span

Array = NDArray[Any]
SURE = 10.0
"""A cosine below so many roundoffs of the entries says nothing about the sign of s'y."""


@dataclass(frozen=True)
class PairsReport:
    """What :func:`check_pairs` found; ``str`` is the table, ``bool`` says whether the pairs are sound.

    ``s_y``, ``s_s``, ``y_y``, ``cosines`` (m,) are of all pairs. The rest is of ``kept``, those with s'y > 0, which a
    memory would hold, or None where there is none: ``span`` knows the spectrum, ``directions`` what three
    implementations make of them.
    """

    pairs: GivenPairs
    s_y: Array
    s_s: Array
    y_y: Array
    kept: GivenPairs | None
    span: Span | None
    directions: Directions | None

    @cached_property
    def cosines(self) -> Array:
        """s'y / (|s| |y|); 0 where one of them is zero."""
        sizes = np.sqrt(self.s_s) * np.sqrt(self.y_y)
        result: Array = np.divide(self.s_y, sizes, out=np.zeros_like(sizes), where=sizes > 0)
        return result

    @property
    def refused(self) -> tuple[int, ...]:
        """Numbers of the pairs, from 1, whose s'y is not positive."""
        return tuple(int(n) + 1 for n in np.flatnonzero(self.s_y <= 0))

    @property
    def unsure(self) -> tuple[int, ...]:
        """Numbers of those whose s'y > 0 might be rounding of their entries."""
        least = SURE * self.pairs.roundoff
        return tuple(int(n) + 1 for n in np.flatnonzero((self.s_y > 0) & (self.cosines < least)))

    @property
    def c_min(self) -> float:
        """The smallest cosine."""
        return float(self.cosines.min())

    @property
    def sound(self) -> bool:
        """Whether H is positive definite beyond doubt, and implementations agree on it."""
        found = self.directions
        return not self.refused and not self.unsure and found is not None and found.agree and found.meaningful

    def __bool__(self) -> bool:
        return self.sound

    def __str__(self) -> str:
        from verification.curvature.pairs_table import text

        return text(self)

    @property
    def judgement(self) -> str:
        """One sentence."""
        from verification.curvature.pairs_judgement import judgement

        return judgement(self)

    def plot(self, path: str | Path) -> None:
        """Draw the cosines and the eigenvalues; the file's ending says the format."""
        from verification.curvature.pairs_picture import draw

        draw(self, path)


def check_pairs(S: Any, Y: Any, h0: Any = None) -> PairsReport:
    """Look at curvature pairs s_i, y_i: the rows of ``S`` and ``Y`` (m, n), the oldest first.

    Arrays, tensors on any device, or lists of vectors. ``h0``: a number or the diagonal (n,) of H0; by default
    s'y / y'y of the newest pair. Nothing of size n x n is made: n may be millions. Raises :class:`BadSubjectError` in
    one sentence for what cannot be pairs.

    >>> report = check_pairs([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 5.0]])
    >>> bool(report), report.span.eigenvalues.round(2).tolist()      # of H, in units of H0 = 0.2 I
    (True, [1.0, 2.5])
    """
    pairs = given_pairs(S, Y, h0)
    s_y, s_s, y_y = (np.einsum("ij,ij->i", a, b) for a, b in (
        (pairs.S, pairs.Y), (pairs.S, pairs.S), (pairs.Y, pairs.Y)
    ))  # fmt: skip
    positive = s_y > 0
    report = PairsReport(pairs, s_y, s_s, y_y, None, None, None)
    if not positive.any():
        return report
    kept = pairs if positive.all() else pairs.where(positive)
    span = Span.of(kept.S, kept.Y, kept.h0)
    found = directions(kept, span, float(report.cosines[positive].min()))
    return PairsReport(pairs, s_y, s_s, y_y, kept, span, found)
