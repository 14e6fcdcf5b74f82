"""One memory for each block of the space."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import BlockDiagonal, PowellB, PowellH, Repaired, Space, Window
from adaqn_lab.memory.block_diagonal import Blocks
from verification.compare import close, holds
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import Held
from verification.naming import by_name
from verification.parts import tensor
from verification.specimen import Specimen
from verification.strategies import OperatorCase, operator_cases, tensors_of
from verification.tolerances import TOLERANCES

BLOCKS = Property("blocks", "One memory `of` for each block of the space.", fields=("of",))


@law(
    name="blocks-alone",
    statement="H = diag(H_1, H_2, ..), each tensor's from its part of the pairs alone; newest() sums over the blocks",
    source="A block-diagonal memory is as many memories as there are blocks; a repair inside may ask for B.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("blocks_ignored", "newest_of_the_last_block", "blocks_of_equal_length"),
    needs=(BLOCKS,),
    inputs=operator_cases(min_size=3, min_pairs=1, dtypes=("float64",), cosines=(0.7, 0.3)),
)
def blocks_alone(factory: Factory, case: OperatorCase) -> None:
    """The blocks know nothing of one another."""
    part, sizes = factory(), tensors_of(case.n, max(1, case.n // 3))
    whole = Held(part, case, shapes=tuple((size,) for size in sizes))
    H, atol = np.zeros((2, case.n, case.n))
    blocks: list[list[float]] = []
    for size, end in zip(sizes, accumulate(sizes), strict=True):
        block = slice(end - size, end)
        alone = Held(part.of, OperatorCase(size, (), (), 0, 0, "float64"))
        alone.h0 = tensor(case.h0[block])
        for s, y in zip(case.S, case.Y, strict=True):
            alone.admit(s[block], y[block])
        H[block, block], atol[block, block] = alone.H(), alone.allowed(TOLERANCES["inverse"])
        blocks.append([float(x) for x in alone.state.newest()])
    close(whole.H(), H, atol, "H against the blocks' own matrices")
    held = [products for *products, exists in blocks if exists]
    *got, some = (float(x) for x in whole.state.newest())
    expected = np.sum(held, axis=0) if held else np.ones(3)
    close(
        np.array(got),
        expected,
        TOLERANCES["linear"](n=case.n) * np.abs(expected).max(),
        "newest s'y, s's, y'y, summed over blocks",
    )
    holds(bool(some) == bool(held), f"newest() says exists={bool(some)}, {len(held)} blocks hold a pair")


class BlocksIgnored(BlockDiagonal):
    """One block over everything."""

    declares: ClassVar[tuple[str, ...]] = ("blocks",)

    def init(self, space: Space) -> Any:
        return super().init(replace(space, shapes=()))


class BlocksOfEqualLength(BlockDiagonal):
    """As many blocks as there are tensors, with other borders."""

    declares: ClassVar[tuple[str, ...]] = ("blocks",)

    def init(self, space: Space) -> Any:
        size, rest = divmod(space.size, max(1, len(space.shapes)))
        equal = [size] * (len(space.shapes) - 1) + [size + rest]
        return super().init(replace(space, shapes=tuple((length,) for length in equal)))


class _LastBlock(Blocks):
    """Tells of its last block alone."""

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor, Tensor] = self.states[-1].newest()
        return found


class NewestOfTheLastBlock(BlockDiagonal):
    """``newest()`` tells of one block, not of the sums over all."""

    declares: ClassVar[tuple[str, ...]] = ("blocks",)

    def init(self, space: Space) -> Any:
        made = super().init(space)
        return _LastBlock(made.states, made.lengths)


_SMALL = Window(capacity=3)
SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=BlockDiagonal,
    variations=(
        BlockDiagonal,
        partial(BlockDiagonal, of=Repaired(by=PowellB(), of=_SMALL)),
        partial(BlockDiagonal, of=Repaired(by=PowellH(), of=_SMALL)),
    ),
    declares=frozenset({BLOCKS}),
    laws=(blocks_alone,),
    mutants=by_name(BlocksIgnored, NewestOfTheLastBlock, BlocksOfEqualLength),
)
