"""SQN's pairs: exact Hessian-vector products on a curvature batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.protocols import Displacement, Need, OracleLike


@dataclass(frozen=True)
class HessianVector(PairGeneratorBase):
    """y = (Hessian of the curvature loss at w_bar) s, by differentiating twice.

    The optimizer's ``curvature`` callable supplies the loss; it decides the batch and its reduction (a mean
    makes y a mean). No state. Cost: about two forward and backward passes of the curvature batch a window.
    cuDNN's recurrent kernels have no second derivative: there, evaluate the callable under
    ``torch.backends.cudnn.flags(enabled=False)``.
    Source: Byrd, Hansen, Nocedal & Singer, SIAM J. Optim. 26 (2016).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = H_S(w_bar) s."""
        return oracle.hessian_vector(move.w_bar, move.s)
