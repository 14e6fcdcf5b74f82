"""The life of a stepper, as the optimizer leads it: windows of steps, at whose ends some runs go back, others on."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Space, Step, Window
from adaqn_lab import state as part_state
from adaqn_lab.protocols import Operator
from verification.compare import torch_dtype
from verification.parts import by_entries, displacement, operator_of, operator_without_pairs, tensor
from verification.strategies import DTYPES, MAX_SIZE, Array, make_pair, tensors_of

EXPONENTS = {"float64": (0, -100, 100), "float32": (0, -100, 50)}
"""Gradients are about 2^this: float32 holds them all and no square of a tiny one, but that of a hundred huge ones."""
LONG, SHORT = 150, 40
"""Steps of a life: past the 100th; past the 9th window of the usual lengths."""


@dataclass(frozen=True)
class LifeCase:
    """Gradients of R runs in windows of ``every`` steps; one in eight is not finite, one zero, and each run has a size.

    ``v`` (R, n) is one more gradient, ``h0`` and ``other`` (R, n) are diagonals, all in distinct powers of sqrt 2;
    ``back`` and ``on`` (W, R) are the runs which go back to the reference at the end of each window, or advance.
    """

    runs: int
    n: int
    every: int
    steps: int
    seed: int
    dtype: str

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def units(self) -> Array:
        """The size of each run's gradients, a power of 2: ordinary, tiny or huge; (R, 1)."""
        sizes = 2.0 ** np.array(EXPONENTS[self.dtype], dtype=np.float64)
        result: Array = sizes[(self.seed + np.arange(self.runs)) % len(sizes), None]
        return result

    @property
    def windows(self) -> int:
        """How many windows close."""
        return self.steps // self.every

    @cached_property
    def rows(self) -> Array:
        """(K, R, n)."""
        g = self._rng(0).standard_normal((self.steps, self.runs, self.n))
        g[self._rng(1).random((self.steps, self.runs)) < 0.125] = 0.0
        result: Array = (g * self.units).astype(self.dtype)
        return result

    @cached_property
    def masks(self) -> Array:
        """(K, R) bool: whose gradient is finite."""
        return self._rng(2).random((self.steps, self.runs)) >= 0.125

    @cached_property
    def v(self) -> Array:
        """(R, n), no entry near 0."""
        g = self._rng(3).uniform(0.5, 2.0, (self.runs, self.n)) * self.signs
        result: Array = (g * self.units).astype(self.dtype)
        return result

    @cached_property
    def signs(self) -> Array:
        """(R, n), 1 or -1."""
        return self._rng(4).choice((-1.0, 1.0), (self.runs, self.n))

    def _diagonal(self, stream: int) -> Array:
        rng = self._rng(stream)
        exponents = [rng.permutation(MAX_SIZE)[: self.n] - MAX_SIZE / 2 for _ in range(self.runs)]
        result: Array = (2.0 ** (np.array(exponents) / 2)).astype(self.dtype)
        return result

    @cached_property
    def h0(self) -> Array:
        """(R, n), in 1/4 to 4."""
        return self._diagonal(5)

    @cached_property
    def other(self) -> Array:
        """(R, n), likewise."""
        return self._diagonal(6)

    @cached_property
    def points(self) -> Array:
        """The parameters at each step, (K, R, n)."""
        return self._rng(7).standard_normal((self.steps, self.runs, self.n)).astype(self.dtype)

    @cached_property
    def _ends(self) -> Array:
        return self._rng(8).random((self.windows, self.runs))

    @property
    def back(self) -> Array:
        """(W, R) bool."""
        result: Array = self._ends < 0.3
        return result

    @property
    def on(self) -> Array:
        """(W, R) bool."""
        result: Array = self._ends >= 0.5
        return result

    @cached_property
    def losses(self) -> Array:
        """(K, R), positive."""
        return self._rng(9).uniform(0.5, 2.0, (self.steps, self.runs))

    @cached_property
    def pairs(self) -> tuple[Array, Array]:
        """Three pairs of cosine 0.7 for each run, S, Y (3, R, n)."""
        rng = self._rng(10)
        made = [[make_pair(rng, self.n, 0.7, 1.0, 2.0 ** rng.integers(-1, 2)) for _ in range(self.runs)] for _ in "sss"]
        S, Y = (np.array([[pair[i] for pair in row] for row in made]).astype(self.dtype) for i in (0, 1))
        return S, Y


@st.composite
def life_cases(
    draw: st.DrawFn, steps: int = SHORT, min_runs: int = 1, min_size: int = 1, max_every: int = 8
) -> LifeCase:
    """1, 2, 4 or 5 runs in up to 8 dimensions, in windows of up to ``max_every`` steps."""
    return LifeCase(
        runs=draw(st.sampled_from([runs for runs in (1, 2, 4, 5) if runs >= min_runs])),
        n=draw(st.integers(min_size, MAX_SIZE)),
        every=draw(st.integers(1, max_every)),
        steps=steps,
        seed=draw(st.integers(0, 2**16)),
        dtype=draw(st.sampled_from(DTYPES)),
    )


@dataclass(frozen=True)
class Scribbling:
    """H, of which nothing but what is returned can be used: ``apply_`` leaves NaN in its argument."""

    inner: Operator

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v."""
        return self.inner(v)

    def apply_(self, v: Tensor) -> Tensor:
        """Return H v."""
        d = self.inner(v)
        v.fill_(torch.nan)
        return d

    def inverse(self, v: Tensor) -> Tensor:
        """Return B v."""
        return self.inner.inverse(v)


Put = Callable[[Array], Tensor]


def strided(x: Array) -> Tensor:
    """``x`` as every second column of a wider tensor."""
    wide = torch.full((*x.shape[:-1], 2 * x.shape[-1]), torch.nan, dtype=torch_dtype(str(x.dtype)))
    wide[..., ::2] = tensor(x)
    return wide[..., ::2]


def closure_loss(losses: Array) -> Tensor:
    """A closure's loss: a scalar, for several runs a vector."""
    found = torch.from_numpy(losses)
    return found[0] if len(losses) == 1 else found


@dataclass(frozen=True)
class Manner:
    """In which way a life is told: the runs ``rows`` only, gradients and points times ``sign``, H around ``h0``.

    ``dense``: H has pairs. ``scribbling``: H is a :class:`Scribbling`. ``put``: how vectors are laid out. ``number``:
    how k is given. ``loss``: what of the losses (r,) the closure returned. ``home``: the parameters are zero. ``told``:
    whether the ends of windows are told. ``tensors``: the parameters are several tensors, of one element and of more.
    """

    rows: tuple[int, ...] | None = None
    sign: float = 1.0
    order: tuple[int, ...] | None = None
    h0: Array | None = None
    dense: bool = False
    scribbling: bool = False
    put: Put = tensor
    number: Callable[[int], Any] = int
    loss: Callable[[Array], Any] = lambda losses: None
    home: bool = False
    told: bool = True
    tensors: bool = False


class Life:
    """``part`` living ``case`` in a ``manner``; after each step everything that the optimizer may write to is NaN."""

    def __init__(self, part: Any, case: LifeCase, manner: Manner | None = None) -> None:
        self.part, self.case, self.manner = part, case, manner or Manner()
        rows = self.manner.rows
        self.rows = list(range(case.runs)) if rows is None else list(rows)
        shapes = tuple((size,) for size in tensors_of(case.n, case.n // 2)) if self.manner.tensors else ()
        self.space = Space(len(self.rows), case.n, torch_dtype(case.dtype), shapes=shapes)
        self.state = part.init(self.space)
        self.entries = tensor(self._own(case.h0 if self.manner.h0 is None else self.manner.h0))
        operator = self._dense() if self.manner.dense else operator_without_pairs(by_entries(self.entries))
        self.operator: Operator = Scribbling(operator) if self.manner.scribbling else operator
        self._h0 = self.entries.numpy().copy()

    def _own(self, x: Array) -> Array:
        """Of ``x`` (R, n) the rows and the order of this manner."""
        rows = x[self.rows]
        return rows if self.manner.order is None else rows[:, list(self.manner.order)]

    def _dense(self) -> Operator:
        memory = Window(capacity=3)
        state, everyone = memory.init(self.space), self.space.mask(True)
        operator = operator_of(memory, state, by_entries(self.entries))
        for s, y in zip(*self.case.pairs, strict=True):
            memory.admit_(state, displacement(tensor(self._own(s)), everyone), tensor(self._own(y)), operator)
        return operator

    def step(self, k: int, g: Array | None = None) -> Array:
        """The direction of step ``k`` from 0 on, zero for runs without a gradient; ``g`` (R, n) in the case's place."""
        case, manner = self.case, self.manner
        mask = case.masks[k][self.rows]
        own = manner.sign * self._own(case.rows[k] if g is None else g)
        given, where = manner.put(np.where(mask[:, None], own, 0.0).astype(case.dtype)), torch.from_numpy(mask.copy())
        place = k % case.every
        loss = manner.loss(case.losses[k][self.rows])
        step = Step(manner.number(k + 1), given, where, lambda: self._w(k), loss, place, place + 1 == case.every)
        d = self.part.direction_(self.state, step, self.operator)
        self._check(d, where, mask, k)
        answer = np.where(mask[:, None], d.detach().numpy(), 0.0).astype(case.dtype)
        for vector in (given, d):  # they are the optimizer's own
            vector.fill_(torch.nan)
        if manner.told and step.last:
            self.tell(k // case.every)
        return answer

    def _w(self, k: int) -> Tensor:
        points = tensor(self._own(self.case.points[k])) * self.manner.sign
        return torch.zeros_like(points) if self.manner.home else points

    def _check(self, d: Any, where: Tensor, mask: Array, k: int) -> None:
        """What holds for every direction."""
        shape = (len(self.rows), self.case.n)
        if not isinstance(d, Tensor) or d.shape != shape or d.dtype != self.space.dtype:
            got = f"{d.dtype} {tuple(d.shape)}" if isinstance(d, Tensor) else repr(d)
            raise AssertionError(f"d of step {k + 1}: got {got}, expected {self.space.dtype} {shape}")
        if not np.isfinite(d.detach().numpy()[mask]).all():
            raise AssertionError(f"d of step {k + 1} is {d.tolist()} for finite g")
        written = "was written to: only g is the stepper's to write"
        if (where.numpy() != mask).any():
            raise AssertionError(f"step {k + 1}: where {mask.tolist()} {written}, {where.tolist()} now")
        if (self.entries.numpy() != self._h0).any():
            raise AssertionError(f"step {k + 1}: H0 {self._h0.tolist()} {written}, {self.entries.tolist()} now")

    def tell(self, window: int, back: Array | None = None, on: Array | None = None) -> None:
        """The end of a window: as the optimizer does, roll-backs first, and nobody is told so too."""
        back, on = (x[self.rows] for x in (self._ends(window) if back is None or on is None else (back, on)))
        for call, runs in ((self.part.rollback_, back), (self.part.advance_, on)):
            where = torch.from_numpy(runs.copy())
            call(self.state, where)
            if (where.numpy() != runs).any():
                raise AssertionError(f"{call.__name__} wrote into its mask {runs.tolist()}: {where.tolist()} now")

    def _ends(self, window: int) -> tuple[Array, Array]:
        return self.case.back[window], self.case.on[window]

    def steps(self, start: int = 0, stop: int | None = None, g: Array | None = None) -> Iterator[Array]:
        """The directions, step by step; ``g`` (R, n) is the gradient of all of them."""
        for k in range(start, self.case.steps if stop is None else stop):
            yield self.step(k, g)

    def all(self, g: Array | None = None) -> Array:
        """The same, (K, R, n) float64."""
        return np.array(list(self.steps(g=g))).astype(np.float64)

    def resumed(self, part: Any) -> Life:
        """``part`` with what was saved of this one and read again."""
        other, file = Life(part, self.case, self.manner), io.BytesIO()
        torch.save(part_state.flatten({"state": self.state}), file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        part_state.check({"state": other.state}, saved)
        part_state.load_({"state": other.state}, saved)
        return other


def lived(part: Any, case: LifeCase, g: Array | None = None, **manner: Any) -> Array:
    """All directions of a life, (K, R, n) float64, in the dtype's precision."""
    return Life(part, case, replace(Manner(), **manner)).all(g)
