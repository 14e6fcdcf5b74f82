"""Pairs by products with the generalised Gauss-Newton matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.protocols import Displacement, Need, OracleLike


@dataclass(frozen=True)
class GaussNewton(PairGeneratorBase):
    """y = J' H_L J s at w_bar on the curvature batch: J of the model's outputs, H_L the loss's Hessian in them.

    The optimizer's ``curvature`` callable returns (loss, outputs), the loss computed from those outputs. s'y >= 0
    wherever the loss is convex in the outputs, whatever the model. No state. Cost: about one forward and three
    backward passes of the curvature batch a window. cuDNN's recurrent kernels have no second derivative: there,
    evaluate the callable under ``torch.backends.cudnn.flags(enabled=False)``.
    Source: Schraudolph, Neural Computation 14 (2002); as adaQN's pairs it is this library's proposal.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.GAUSS_NEWTON_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = J' H_L J s."""
        return oracle.gauss_newton(move.w_bar, move.s)
