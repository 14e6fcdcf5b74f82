"""The benches of the roles: what the optimizer does to a part of each, and what it asks."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Pair, Step
from adaqn_lab.operator import InverseHessian
from adaqn_lab.oracle import Oracle
from adaqn_lab.protocols import InitialMatrix
from verification.bench import Array, Bench, strided
from verification.compare import holds
from verification.conditioning import Conditioning
from verification.parts import Form, by_diagonal, by_entries, displacement, operator_of, operator_without_pairs, tensor
from verification.strategies import ContractCase
from verification.tolerances import TOLERANCES


class PairBench(Bench):
    """Items are gradients at points; the answer is y for one displacement from the case's reference.

    The losses are one convex quadratic around ``centre``, and ``quartic`` sum (w - centre)^4 / 12 more. Everything is
    asked without gradients, as the optimizer does.
    A generator with displacements of its own answers with the sum of all its s and y.
    """

    def __init__(self, part: Any, case: ContractCase, rows: tuple[int, ...] | None = None) -> None:
        super().__init__(part, case, rows)
        self.A = tensor(case.hessians[list(self.rows)])
        self.reach = 0.0  # |s| of the generator's own displacements
        self.largest = 0.0  # |y|
        self.reference = case.references
        self.centre, self.quartic = torch.zeros(len(self.rows), case.n, dtype=self.space.dtype), 0.0
        parameters = self.flat.parameters

        def loss() -> tuple[Tensor, Tensor]:
            outputs = torch.cat(parameters, 1) - self.centre
            quadratic = torch.einsum("ri,rij,rj->r", outputs, self.A, outputs) / 2
            return quadratic + (outputs**4).sum(1) * (self.quartic / 12) if self.quartic else quadratic, outputs

        self.oracle = Oracle(self.flat, loss, loss, loss, loss, maximize=False)

    def feed(self, k: int, where: Array) -> None:
        """One gradient, at the case's next point."""
        self.observe(self.case.points[:, k], self.case.rows[:, k], where)

    def observe(self, w: Array, g: Array, where: Array) -> None:
        """One step with the gradient ``g`` at ``w`` (all runs, n)."""
        self.go(w)
        with torch.no_grad():
            self.part.observe_(self.state, self.step(g, where))

    def own(self, made: Tensor | Pair, s: Tensor) -> Pair:
        """What a generator returned for the displacement ``s``, each (R, q, n)."""
        pair = made if isinstance(made, Pair) else Pair(s, made)
        holds(pair.s.shape == pair.y.shape, f"s of shape {tuple(pair.s.shape)}, y of {tuple(pair.y.shape)}")
        for name, x in (("s", pair.s), ("y", pair.y)):
            holds(x.dtype == self.space.dtype, f"{name} in {x.dtype}, expected {self.space.dtype}")
        shape = (len(self.rows), -1, self.case.n)
        return Pair(pair.s.reshape(shape), pair.y.reshape(shape), pair.renews)

    def pair(self, s: Array) -> Tensor:
        """Return y (R, n) for ``s`` (all runs, n)."""
        return self.answer(self.state, s)

    def move(self, s: Array) -> Displacement:
        """The displacement ``s`` (all runs, n) from the reference."""
        w_ref = tensor(self.reference[list(self.rows)])
        made = displacement(self.give("s", s), self.keep("where", self.space.mask(True)), w_ref)
        w_bar = made.w_bar
        if self.setting.strided:
            w_bar, w_ref = strided(w_bar), strided(w_ref)
        return replace(made, w_bar=self.keep("w_bar", w_bar), w_ref=self.keep("w_ref", w_ref))

    def make(self, state: Any, s: Array) -> Tensor | Pair:
        """What the generator returns for the displacement ``s`` (all runs, n), as it is."""
        with torch.no_grad():
            made: Tensor | Pair = self.part.pair_(state, self.move(s), self.oracle)
        y = made.y if isinstance(made, Pair) else made
        self.largest = max(self.largest, float(y.detach().abs().nan_to_num(0.0, 0.0, 0.0).sum()))
        return made

    def answer(self, state: Any, s: Array) -> Tensor:
        """The same as one tensor (R, n)."""
        made = self.make(state, s)
        if not isinstance(made, Pair):
            y: Tensor = made
            return y
        own = self.own(made, made.s)
        self.reach = max(self.reach, float(own.s.norm()))
        return (own.s + own.y).sum(1)

    def ask(self) -> Tensor:
        """Return y for the case's displacements, of which some are zero."""
        return self.pair(self.case.moves)

    def read(self) -> Tensor:
        """The same from a copy of the state: what a generator draws is not drawn yet."""
        return self.answer(copy.deepcopy(self.state), self.case.moves)

    def size(self, run: int) -> float:
        """Products with the stored gradients and with the Hessian; own displacements are made of points."""
        case = self.case
        g = np.linalg.norm(case.rows[run].astype(np.float64), axis=1)
        s, near = np.linalg.norm(case.v[run]), np.linalg.norm(self.reference[run].astype(np.float64))
        curvature = float(np.linalg.norm(case.hessians[run])) + self.quartic * (s + near) ** 2
        size = (g @ g) * s + curvature * (s + 2 * near)  # a difference of gradients loses the reference's digits
        if hasattr(self.part, "radius"):  # gradients at two points so far apart, divided by that and multiplied by |s|
            size += curvature * (s + near) * s / self.part.radius
        if self.reach:
            size += (1 + curvature) * (self.reach + np.linalg.norm(case.points[run], axis=1).sum() + g.sum())
        return float(size) + self.largest

    def atol(self, run: int) -> float:
        """Rounding of what has this size."""
        return TOLERANCES["products"](self.case.dtype, m=self.case.items, n=self.case.n) * self.size(run)


class Products:
    """A memory of which only s'y, s's, y'y of the pairs are known, each (R, m), the newest last."""

    def __init__(self, s_y: Tensor, s_s: Tensor, y_y: Tensor, held: Tensor) -> None:
        self._values = (s_y, s_s, y_y, held)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As they are, each (R,)."""
        return tuple(x[:, -1] for x in self._values)  # type: ignore[return-value]

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As they are, each (R, m)."""
        return self._values


def is_diagonal(matrix: Array) -> bool:
    """Whether every other entry is exactly zero."""
    return not np.any(matrix - np.diag(np.diag(matrix)))


class ScalingBench(Bench):
    """Items are gradients; the answer is H0 v.

    The newest pair held is the case's (v, partner), the older ones are its pairs of each run's mask; a run which is not
    ``paired`` holds none.
    The part reads the memory's own products, and may not write into them.
    """

    resettable = False

    def feed(self, k: int, where: Array) -> None:
        """One gradient."""
        self.observe(self.case.rows[:, k], where)

    def observe(self, g: Array, where: Array) -> None:
        """One step with the gradient ``g`` (all runs, n), at the next of the case's points."""
        self.go(self.case.points[:, self.k % self.case.items] if self.case.items else np.zeros_like(g))
        with torch.no_grad():
            self.part.observe_(self.state, self.step(g, where))

    @cached_property
    def history(self) -> Any:
        """What the part may read of the memory: the pairs of each run."""
        case, rows = self.case, list(self.rows)
        S, Y = (
            tensor(np.concatenate([older[rows], newest[rows, None]], axis=1)).double()
            for older, newest in zip(case.pairs, (case.v, case.partners), strict=True)
        )
        mask = np.concatenate([case.masks.T[rows], np.ones((len(rows), 1), bool)], axis=1)
        held = torch.from_numpy(mask & case.paired[rows, None])
        dots = [torch.where(held, (a * b).sum(2), 1.0) for a, b in ((S, Y), (S, S), (Y, Y))]
        return Products(dots[0], dots[1], dots[2], held)

    def h0(self) -> InitialMatrix:
        """H0 as it is now."""
        with torch.no_grad():
            made: InitialMatrix = self.part.h0(self.state, self.history)
        return made

    def apply(self, v: Array) -> Tensor:
        """Return H0 v for ``v`` (all runs, n)."""
        own = tensor(v[list(self.rows)])
        return self.owned(self.h0().apply_(strided(own) if self.setting.strided else own))

    def matrices(self) -> Array:
        """H0 of each run in float64, column by column: (R, n, n)."""
        runs, n = self.case.runs, self.case.n
        columns = [np.broadcast_to(e, (runs, n)).astype(self.case.dtype) for e in np.eye(n)]
        result: Array = np.stack([self.apply(e).numpy().astype(np.float64) for e in columns], axis=2)
        return result

    def condition(self) -> Array:
        """By how much H0^-1 H0 magnifies rounding, (R, 1): not at all where H0 is diagonal."""
        H0 = self.matrices()
        return np.array([[1.0 if is_diagonal(x) else np.linalg.cond(x)] for x in H0])

    def solve(self, v: Array | Tensor) -> Tensor:
        """Return H0^-1 v for ``v`` (all runs, n)."""
        own = v.clone() if isinstance(v, Tensor) else tensor(v[list(self.rows)])
        return self.owned(self.h0().solve_(own))

    def read(self) -> Tensor:
        """Return H0 v for the case's vector."""
        return self.apply(self.case.v)

    def atol(self, run: int) -> float:
        """One product with H0, of whatever kind it is."""
        alone = type(self)(self.part, self.case, (run,))
        alone.feed_all()
        size = float(np.abs(alone.read().numpy().astype(np.float64)).max())
        return TOLERANCES["linear"](self.case.dtype, n=self.case.n) * size


class MemoryBench(Bench):
    """Items are pairs; the answer is H v around a diagonal H0 in one ``form``."""

    form: ClassVar[Form] = staticmethod(by_entries)

    def h0(self) -> InitialMatrix:
        """H0; nobody may write into what it is made of."""
        made = type(self).form(tensor(self.case.h0[list(self.rows)]))
        self.given += [(f"H0's {name}", x, x.clone()) for name, x in vars(made).items() if isinstance(x, Tensor)]
        return made

    @property
    def operator(self) -> InverseHessian:
        """H and its inverse, as the optimizer gives them to its parts."""
        return operator_of(self.part, self.state, self.h0())

    def feed(self, k: int, where: Array) -> None:
        """One pair."""
        S, Y = self.case.pairs
        self.admit(S[:, k], Y[:, k], where)

    def move(self, s: Array, where: Array) -> Displacement:
        """The displacement ``s`` (all runs, n) from a reference which is not the origin; nobody may write into it."""
        w_ref = np.random.default_rng([self.case.seed, 9]).standard_normal(s.shape).astype(s.dtype)
        made = displacement(self.give("s", s), self.mask(where), self.give("w_ref", w_ref))
        self.given += [(name, x, x.clone()) for name, x in (("w_bar", made.w_bar), ("where", made.where))]
        return made

    def admit(self, s: Array, y: Array, where: Array) -> Any:
        """Offer pairs (all runs, n); return the verdict."""
        return self.part.admit_(self.state, self.move(s, where), self.give("y", y), self.operator)

    def read(self) -> Tensor:
        """Return H v for the case's vector, as a step does: in the gradient's place."""
        return self.owned(self.operator.apply_(tensor(self.case.v[list(self.rows)])))

    def solve(self) -> Tensor:
        """Return B v for the case's vector."""
        v = tensor(self.case.v[list(self.rows)])
        return self.owned(self.part.solve_(self.state, v, self.h0()))

    def atol(self, run: int) -> float:
        """As any operator, with the pairs this run was offered."""
        return self.offered_atol(run, self.case.masks[:, run])

    def offered_atol(self, run: int, items: Array | None = None) -> float:
        """The same for the pairs of ``items``, by default all."""
        S, Y = (x[run] if items is None else x[run][items] for x in self.case.pairs)
        c = Conditioning.of(S, Y, self.case.h0[run])
        bound = TOLERANCES["operator"](self.case.dtype, m=c.m, n=c.n, c_min=c.c_min)
        return float(bound * c.magnitude * np.linalg.norm(self.case.v[run]))


class DiagonalMemoryBench(MemoryBench):
    """The same around the form of H0 which training has."""

    form: ClassVar[Form] = staticmethod(by_diagonal)


MEMORY_BENCHES = (MemoryBench, DiagonalMemoryBench)
"""One for each form of H0."""


class StepperBench(Bench):
    """Items are gradients, H is diagonal; the answer is the next direction, from a copy of the state.

    A stepper may write into the gradient, and into nothing else that it was given.
    """

    @property
    def operator(self) -> InverseHessian:
        """H as it is now."""
        return self.operator_of(self.case.h0)

    def operator_of(self, h0: Array) -> InverseHessian:
        """H with these entries (all runs, n)."""
        return operator_without_pairs(by_entries(tensor(h0[list(self.rows)])))

    def _direction(self, state: Any, step: Step) -> Tensor:
        d = self.part.direction_(state, step, self.operator)
        self.given = [(name, x, x.clone() if x is step.g else before) for name, x, before in self.given]
        return self.owned(d, state)

    def feed(self, k: int, where: Array) -> None:
        """One step."""
        self._direction(self.state, self.step(self.case.rows[:, k], where))

    def read(self) -> Tensor:
        """The direction if the case's vector came now, as the step after all items: time is not what is asked about."""
        k, everyone = self.k, np.ones(self.case.runs, bool)
        self.k = self.case.items
        step = self.step(self.case.v, everyone)
        self.k = k
        return self._direction(copy.deepcopy(self.state), step)

    def atol(self, run: int) -> Array:
        """Elementwise operations on all gradients so far."""
        size = np.abs(self.case.rows[run].astype(np.float64)).sum(axis=0) + np.abs(self.case.v[run])
        result: Array = TOLERANCES["linear"](self.case.dtype, n=self.case.n) * size * self.case.h0[run]
        return result

    def reset(self, where: Array) -> None:
        """Roll back."""
        self.part.rollback_(self.state, self.mask(where))
