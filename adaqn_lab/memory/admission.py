"""The rule by which every memory admits a pair."""

from __future__ import annotations

from torch import Tensor

from adaqn_lab.linalg import dot
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.protocols import Displacement, Verdict

LEAST, MOST = 2.0**-1000, 2.0**1000
"""What s'y, s's, y'y may be: beyond, products with them have no room left in float64, and reciprocals no digits."""


def judge(move: Displacement, y: Tensor, test: CurvatureTest) -> Verdict:
    """Admit (move.s, y) of the runs in ``move.where`` iff s'y, s's, y'y are positive and ``test`` accepts them.

    Positive: from 1e-301 to 1e301, so that neither H nor anything on the way to it is infinite for that reason.
    Written as what must be true, so that a NaN refuses.
    """
    s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
    sound = _sound(s_y) & _sound(s_s) & _sound(y_y)
    return Verdict(move.where & sound & test.accept(s_y, s_s, y_y), s_y, s_s, y_y)


def _sound(x: Tensor) -> Tensor:
    return (x >= LEAST) & (x <= MOST)
