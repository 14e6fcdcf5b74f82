"""One memory for each parameter tensor."""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.bases import CurvatureBase
from adaqn_lab.diagonal import Entries
from adaqn_lab.linalg import dot
from adaqn_lab.memory.window import Window
from adaqn_lab.memory.wrapping import Wrapping, require_memory
from adaqn_lab.protocols import Displacement, InitialMatrix, MemoryPolicy, Operator, Verdict
from adaqn_lab.space import Space


@dataclass
class Blocks(CurvatureBase):
    """The states of the blocks' memories, in the order of the parameters; ``sizes`` is shape, not state."""

    states: tuple[Any, ...]
    sizes: InitVar[tuple[int, ...]]

    def __post_init__(self, sizes: tuple[int, ...]) -> None:
        self.lengths = sizes

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y summed over the blocks which hold a pair; ones where none does."""
        blocks = [state.newest() for state in self.states]
        some = torch.stack([block[3] for block in blocks]).any(dim=0)
        sums = (sum(torch.where(block[3], block[i], 0.0) for block in blocks) for i in range(3))
        s_y, s_s, y_y = (torch.where(some, total, 1.0) for total in sums)
        return s_y, s_s, y_y, some


@dataclass(frozen=True, kw_only=True)
class BlockDiagonal(Wrapping):
    """H = diag(H_1, ..., H_B), one block for each parameter tensor, each with a memory ``of`` of its own.

    A block judges its own part of (s, y): a flat direction of one tensor cannot spoil another's pairs, and no
    curvature between tensors is stored. A pair that is not finite is refused by all, in whichever tensor that is. The
    window counts as admitted if any block admitted its part; the verdict's s'y, s's, y'y are those of the whole
    vectors. H0 is taken to be diagonal, as all shipped scalings are. A layer's weight and bias are two
    blocks: the optimizer knows tensors, not layers.

    Memory and cost: those of ``of``, plus one application of H0 to ones.
    Raises ``TypeError`` if ``of`` is no memory. Source: this library's proposal for adaQN; block-wise memories are
    documented for mL-BFGS (Niu et al. 2023).
    """

    of: MemoryPolicy = Window()

    def __post_init__(self) -> None:
        require_memory("BlockDiagonal", self.of)

    def _spaces(self, space: Space) -> list[Space]:
        shapes = space.shapes or ((space.size,),)
        return [replace(space, size=math.prod(shape), shapes=(shape,)) for shape in shapes]

    def init(self, space: Space) -> Blocks:
        """A memory for each block."""
        spaces = self._spaces(space)
        return Blocks(tuple(self.of.init(block) for block in spaces), tuple(block.size for block in spaces))

    def _split(self, state: Blocks, v: Tensor) -> list[Tensor]:
        return [part.contiguous() for part in torch.split_with_sizes(v, state.lengths, dim=1)]

    def admit_(self, state: Blocks, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Offer each block its part of the pair, if the whole is finite."""
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        where = move.where & torch.isfinite(s_s) & torch.isfinite(y_y)
        vectors = zip(*(self._split(state, v) for v in (move.s, move.w_bar, move.w_ref, y)), strict=True)
        admitted = torch.zeros_like(move.where)
        for index, (block, (s, w_bar, w_ref, part)) in enumerate(zip(state.states, vectors, strict=True)):
            own = Displacement(s, w_bar, w_ref, where)
            verdict = self.of.admit_(block, own, part, _BlockOperator(state, index, operator))
            admitted = admitted | verdict.admitted
        return Verdict(admitted, s_y, s_s, y_y)

    def apply_(self, state: Blocks, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v, block by block."""
        entries = self._split(state, h0.apply_(torch.ones_like(v)))
        parts = zip(state.states, self._split(state, v.clone()), entries, strict=True)
        return torch.cat([self.of.apply_(block, u, Entries(entries=h)) for block, u, h in parts], dim=1)

    def solve_(self, state: Blocks, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v, block by block; ``TypeError`` if the blocks' memory cannot."""
        inverse = self._split(state, h0.solve_(torch.ones_like(v)))
        parts = zip(state.states, self._split(state, v.clone()), inverse, strict=True)
        return torch.cat([self.of.solve_(block, u, Entries(inverse=b)) for block, u, b in parts], dim=1)

    def reset_(self, state: Blocks, where: Tensor) -> None:
        """Drop the pairs of all blocks."""
        for block in state.states:
            self.of.reset_(block, where)


@dataclass(frozen=True)
class _BlockOperator:
    """One block of H on the block's own vectors."""

    state: Blocks
    index: int
    whole: Operator

    def _embedded(self, v: Tensor) -> Tensor:
        """``v`` in its place of a vector which is zero elsewhere."""
        parts = [v if i == self.index else v.new_zeros(len(v), n) for i, n in enumerate(self.state.lengths)]
        return torch.cat(parts, dim=1)

    def _own(self, v: Tensor) -> Tensor:
        return torch.split_with_sizes(v, self.state.lengths, dim=1)[self.index].contiguous()

    def __call__(self, v: Tensor) -> Tensor:
        """Return H_i v."""
        return self._own(self.whole(self._embedded(v)))

    def apply_(self, v: Tensor) -> Tensor:
        """Return H_i v."""
        return self(v)

    def inverse(self, v: Tensor) -> Tensor:
        """Return B_i v."""
        return self._own(self.whole.inverse(self._embedded(v)))
