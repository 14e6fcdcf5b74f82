"""Long streams of pairs for a memory: past twice of its capacity, up to five runs, a new H0 at every pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Displacement
from adaqn_lab.protocols import InitialMatrix
from verification.benches import MemoryBench
from verification.compare import torch_dtype
from verification.law import Factory
from verification.parts import Array, by_entries, displacement, tensor
from verification.shrinking import shrunk
from verification.strategies import DTYPES
from verification.tolerances import TOLERANCES

STEADY = 4
"""For so many pairs H0 stays, so that a memory shows what it is; then it changes at every pair."""
AS_IT_IS = 1000
"""A capacity to which no memory is shrunk."""
GRID = 256.0
"""Displacements and references are multiples of 1 / 256: w_bar - w_ref = s without rounding, in float32 too."""


@dataclass(frozen=True)
class MemoryStream:
    """Pairs y = A s of one quadratic a run, 1/2 <= A <= 2, so that no test and no damping has much to do.

    The factors I - y s' / s'y of such pairs are projections in the metric of A: no product of them is longer than
    sqrt(cond A) <= 2, however many there are. H0 is diagonal, 1/2 to 2, ``h0s[k]`` when pair k comes. ``capacity``:
    what a memory with such a field is shrunk to, so that ``items`` fill it more than twice; ``AS_IT_IS`` for none.
    ``cut``: how many parameters are of a first tensor; the next is one of its own, the others are a third; 0 for one.
    """

    runs: int
    n: int
    items: int
    capacity: int
    seed: int
    dtype: str
    cut: int = 0

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def hessians(self) -> Array:
        """A (R, n, n)."""
        rng = self._rng(0)
        Q = np.linalg.qr(rng.standard_normal((self.runs, self.n, self.n)))[0]
        A: Array = (Q * 2.0 ** rng.uniform(-1, 1, (self.runs, 1, self.n))) @ Q.transpose(0, 2, 1)
        return A

    @cached_property
    def pairs(self) -> tuple[Array, Array]:
        """S, Y (R, K, n)."""
        rng, shape = self._rng(1), (self.runs, self.items, self.n)
        S = np.round(rng.uniform(0.25, 2.0, shape) * GRID) / GRID * rng.choice((-1.0, 1.0), shape)
        return S.astype(self.dtype), (S @ self.hessians).astype(self.dtype)

    @cached_property
    def references(self) -> Array:
        """w_ref (R, K, n), nowhere zero."""
        w: Array = np.round(self._rng(2).uniform(1.0, 8.0, (self.runs, self.items, self.n)) * GRID) / GRID
        return w.astype(self.dtype)

    @cached_property
    def h0s(self) -> Array:
        """(K + 1, R, n)."""
        h0: Array = 2.0 ** self._rng(3).uniform(-1, 1, (self.items + 1, self.runs, self.n))
        h0[:STEADY] = h0[0]
        return h0.astype(self.dtype)

    @property
    def h0(self) -> Array:
        """The first (R, n)."""
        result: Array = self.h0s[0]
        return result

    @cached_property
    def masks(self) -> Array:
        """(K, R) bool; three in four, and everybody at the first."""
        masks: Array = self._rng(4).random((self.items, self.runs)) < 0.75
        masks[:1] = True
        return masks

    @cached_property
    def vectors(self) -> Array:
        """Two vectors u, v for each run, (2, R, n)."""
        u: Array = self._rng(5).standard_normal((2, self.runs, self.n))
        return u.astype(self.dtype)

    @property
    def v(self) -> Array:
        """(R, n)."""
        result: Array = self.vectors[1]
        return result

    @property
    def places(self) -> tuple[int, ...]:
        """After how many pairs to look: none, one, a full memory, one more, twice full and one more, all."""
        m = 10 if self.capacity == AS_IT_IS else self.capacity
        return tuple(sorted({min(k, self.items) for k in (0, 1, m, m + 1, 2 * m + 1, self.items)}))

    def allowed(self) -> float:
        """How far two forms of H v may part per unit of |v|: growth^2 (max h0 + max 1 / A) = 4 (2 + 2)."""
        return TOLERANCES["dense"](self.dtype, m=self.items, n=self.n, c_min=0.8) * 16


@st.composite
def memory_streams(
    draw: st.DrawFn, min_runs: int = 1, min_size: int = 2, dtypes: Sequence[str] = DTYPES, whole: bool = True
) -> MemoryStream:
    """Nine pairs, more than twice what three slots hold, or 25 for a memory as it is, if it may be ``whole``."""
    capacity = draw(st.sampled_from((3, 2, 1, AS_IT_IS) if whole else (3, 2, 1)))
    return MemoryStream(
        runs=draw(st.integers(min_runs, 5)),
        n=draw(st.integers(min_size, 6)),
        items=25 if capacity == AS_IT_IS else 9,
        capacity=capacity,
        seed=draw(st.integers(0, 2**16)),
        dtype=draw(st.sampled_from(dtypes)),
    )


class StreamBench(MemoryBench):
    """A memory with few slots, and what its verdicts told: (item, s'y, s's, y'y) of each run's admitted pairs."""

    case: MemoryStream  # type: ignore[assignment]

    def __init__(self, factory: Factory, case: MemoryStream, rows: tuple[int, ...] | None = None) -> None:
        super().__init__(shrunk(factory(), case.capacity), case, rows)  # type: ignore[arg-type]
        self.now = 0
        self.told: list[list[tuple[int, float, float, float]]] = [[] for _ in self.rows]

    def h0(self) -> InitialMatrix:
        """H0 of the item that comes now."""
        return by_entries(tensor(self.case.h0s[self.now][list(self.rows)]))

    def move(self, s: Array, where: Array) -> Displacement:
        """``s`` from the reference of this item."""
        w_ref = self.case.references[:, min(self.now, self.case.items - 1)]
        return displacement(self.give("s", s), self.mask(where), self.give("w_ref", w_ref))

    def feed(self, k: int, where: Array) -> Any:
        """One pair; return the verdict."""
        S, Y = self.case.pairs
        self.now = k
        verdict = self.admit(S[:, k], Y[:, k], where)
        self.note(k, verdict)
        self.now = k + 1
        return verdict

    def note(self, k: int, verdict: Any) -> None:
        """Remember what was told."""
        for row, (yes, *told) in enumerate(
            zip(*(x.tolist() for x in (verdict.admitted, verdict.s_y, verdict.s_s, verdict.y_y)), strict=True)
        ):
            if yes:
                self.told[row].append((k, *told))

    def apply(self, v: Array | Tensor) -> Tensor:
        """H v for ``v`` (all runs, n), or (own runs, n) as a tensor."""
        own = v.clone() if isinstance(v, Tensor) else tensor(v[list(self.rows)])
        result: Tensor = self.operator.apply_(own)
        return result

    def solve_for(self, v: Tensor) -> Tensor:
        """B v for ``v`` (own runs, n)."""
        result: Tensor = self.operator.inverse(v)
        return result

    def matrix(self) -> Array:
        """H of each run, (R, n, n) in float64, column by column."""
        eye = torch.eye(self.case.n, dtype=torch_dtype(self.case.dtype))
        columns = [self.apply(e.expand(len(self.rows), -1)) for e in eye]
        result: Array = torch.stack(columns, dim=2).double().numpy()
        return result

    def allowed(self, H: Array) -> Array:
        """How far two forms of H may part per unit of |v|, for each run, whatever the memory made of the pairs.

        H = V_m'...V_j' H_j V_j...V_m + (positive semidefinite), hence |V_j...V_m|^2 <= |H| |B_j|, and B_j is at most
        max 1 / h0 + sum y'y / s'y: that is the growth of the products of factors in ``Conditioning``, from what the
        verdicts told.
        """
        return np.array([self._allowed(told, own) for told, own in zip(self.told, H, strict=True)])

    def _allowed(self, told: list[tuple[int, float, float, float]], H: Array) -> float:
        _, s_y, s_s, y_y = np.array(told).reshape(-1, 4).T
        c_min = float((s_y / np.sqrt(s_s * y_y)).min(initial=1.0))
        size = float(np.linalg.norm(H, 2))
        growth = max(1.0, size * (2.0 + float((y_y / s_y).sum())))
        bound = TOLERANCES["dense"](self.case.dtype, m=len(told), n=self.case.n, c_min=max(c_min, 1e-3))
        return bound * growth * (2.0 + float((s_s / s_y).max(initial=0.0)))

    def stops(self) -> Iterator[int]:
        """Feed the stream, each pair to the runs of its mask; stop at every place."""
        for place in self.case.places:
            while self.now < place:
                self.feed(self.now, self.case.masks[self.now])
            yield place
