"""How many gradients must adaQN store? Shorter stores, rounded and sketched ones, and none at all.

All variants multiply y by the batch size and admit every pair with s'y > 0, so that the store is all that differs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import (
    ADAQN,
    CautiousSS,
    Displacement,
    EmpiricalFisher,
    MeanTimesBatch,
    SketchedFisher,
    Space,
    Step,
    Window,
)
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import OracleLike, Pair
from studies.variants.variant import Variant


@dataclass
class Stream:
    """The last displacement ``s`` and the running ``y`` (R, n); ``count`` (R,) gradients in it."""

    s: Tensor
    y: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class StreamingFisher(PairGeneratorBase):
    """Pairs without a store: y = (B/L) sum g (g's) over the gradients of the window *after* s.

    Two vectors in place of a hundred, and each pair comes one window late. The gradients have not been used
    to make s, so s'y lacks the excess that stored ones have; measured, this is not stable (``docs/decisions.md``).
    """

    batch_size: int

    def init(self, space: Space) -> Stream:
        """Nothing seen."""
        return Stream(space.zeros(), space.zeros(), space.counts())

    def observe_(self, state: Stream, step: Step) -> None:
        """Set y += g (g's)."""
        slope = torch.where(step.where, dot(step.g, state.s), 0.0)
        state.y.addcmul_(step.g, slope.to(step.g.dtype).unsqueeze(1))
        state.count = state.count + step.where.long()

    def pair_(self, state: Stream, move: Displacement, oracle: OracleLike) -> Pair:
        """Return the last window's pair; begin this window's."""
        factor = (self.batch_size / state.count.clamp(min=1)).to(move.s.dtype).unsqueeze(1)
        made = Pair(state.s, state.y * factor)
        state.s, state.y = move.s.clone(), torch.zeros_like(state.y)
        state.count = torch.zeros_like(state.count)
        return made

    def reset_(self, state: Stream, where: Tensor) -> None:
        """Forget the runs in ``where``."""
        state.s = torch.where(where.unsqueeze(1), 0.0, state.s)
        state.y = torch.where(where.unsqueeze(1), 0.0, state.y)
        state.count = torch.where(where, 0, state.count)


def fisher_stores(batch_size: int) -> tuple[Variant, ...]:
    """Return the variants; ``batch_size`` is the task's."""
    batch = MeanTimesBatch(batch_size=batch_size)
    stores = {
        "last-100": EmpiricalFisher(window=100, normalisation=batch),
        "last-20": EmpiricalFisher(window=20, normalisation=batch),
        "last-10": EmpiricalFisher(window=10, normalisation=batch),
        "rounded": EmpiricalFisher(window=100, normalisation=batch, dtype=torch.bfloat16),
        "sketched": SketchedFisher(rows=20, group=5, normalisation=batch),
        "streaming": StreamingFisher(batch_size=batch_size),
    }
    every_pair = ADAQN.but(memory=Window(test=CautiousSS(eps=0.0)))
    return tuple(
        Variant(name=f"store-{name}", method=every_pair.but(pairs=pairs), centre=0.2) for name, pairs in stores.items()
    )
