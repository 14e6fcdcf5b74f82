"""First in, first out, with a cautious test."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adaqn_lab.checks import require_int, require_storage, storage
from adaqn_lab.history import History
from adaqn_lab.memory.curvature_tests import CautiousYY, CurvatureTest
from adaqn_lab.memory.windowed import Windowed
from adaqn_lab.space import Space


@dataclass(frozen=True, kw_only=True)
class Window(Windowed):
    """Keep the last ``capacity`` = m_L pairs that pass ``test``; a pair that fails is skipped.

    H is the L-BFGS matrix of the pairs held around H0 (see :class:`~adaqn_lab.history.History`). A pair whose
    s'y, s's or y'y is not finite, or not positive, never enters. With capacity 0 nothing is held and H = H0,
    while the test still decides whether the reference advances.

    ``dtype``: that of the stored pairs, by default the vectors'. With ``torch.bfloat16`` both s and y are rounded to 8
    bits of mantissa before they are tested, so that H is exactly the L-BFGS matrix of the rounded pairs.

    Memory: 2 m_L n elements a run. Raises ``ValueError`` or ``TypeError`` for ``capacity`` < 0 or a ``dtype`` other
    than bfloat16 and None.
    """

    capacity: int = 10
    test: CurvatureTest = CautiousYY()
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        require_int("Window", "capacity", self.capacity, at_least=0)
        require_storage("Window", self.dtype)

    def init(self, space: Space) -> History:
        """An empty history."""
        return History.empty(space, self.capacity, storage(space, self.dtype))
