"""The rule by which every memory admits a pair."""

from __future__ import annotations

import torch
from torch import Tensor

from adaqn_lab.linalg import dot
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.protocols import Displacement, Verdict


def judge(move: Displacement, y: Tensor, test: CurvatureTest) -> Verdict:
    """Admit (move.s, y) of the runs in ``move.where`` iff s'y, s's, y'y are finite, s'y > 0 and ``test`` accepts them.

    Written as what must be true, so that a NaN refuses.
    """
    s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
    sound = torch.isfinite(s_y) & torch.isfinite(s_s) & torch.isfinite(y_y) & (s_y > 0)
    return Verdict(move.where & sound & test.accept(s_y, s_s, y_y), s_y, s_s, y_y)
