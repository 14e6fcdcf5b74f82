"""Pairs by differences of gradients on one sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_real
from adaqn_lab.protocols import Displacement, Need, OracleLike, Sample


@dataclass(frozen=True, kw_only=True)
class GradientDifference(PairGeneratorBase):
    """y = g_S(w_bar) - g_S(w_ref) + shift s, both gradients on the same sample S. No state.

    ``sample``: the current mini-batch (the ``batch`` callable), its overlap with the next one (``overlap``) or a
    long batch (``curvature``). ``shift`` > 0 is oBFGS's lambda, < 0 RES's -delta. Differences across samples mix
    curvature with noise and are not offered.

    With Cadence(every=1, after_step=True, from_start=True, always_advance=True) s is one step and y its change of
    gradient. Both gradients are evaluated by the callable, so that weight decay and clipping stay out of y: one
    evaluation more than a loop which reuses the step's own gradient.
    Cost: two gradients of the sample a window. Raises ``TypeError`` or ``ValueError`` for a field out of range.
    Source: Schraudolph, Yu & Guenter 2007 (same batch, from memory of the literature); Berahas, Nocedal & Takac
    2016 (overlap, documented).
    """

    sample: Sample = Sample.BATCH
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.sample, Sample):
            raise TypeError(f"GradientDifference: sample={self.sample!r} is no Sample; pass Sample.BATCH.")
        require_real("GradientDifference", "shift", self.shift)

    @property
    def needs(self) -> frozenset[Need]:
        """The sample's gradient."""
        return frozenset({self.sample.value})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        y = oracle.gradient(move.w_bar, self.sample) - oracle.gradient(move.w_ref, self.sample)
        return y.add_(move.s, alpha=self.shift) if self.shift else y
