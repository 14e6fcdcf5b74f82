"""Pairs by the optimizer itself, on a convex quadratic whose gradients are exact: s'y is never negative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from hypothesis import reject
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import (
    Cadence,
    Displacement,
    EmpiricalFisher,
    HessianVector,
    Identity,
    Need,
    Nesterov,
    Pair,
    QuasiNewton,
    Recipe,
    Sample,
    Step,
    Verdict,
    Window,
)
from adaqn_lab.bases import PairGeneratorBase, StepperBase
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Operator, OracleLike
from adaqn_lab.space import Space
from verification.compare import holds
from verification.law import Group, Subject, law
from verification.parts import tensor
from verification.shrinking import shrunk
from verification.strategies import Array
from verification.tolerances import TOLERANCES

STEPS = 18


@dataclass(frozen=True)
class Walk:
    """``STEPS`` random steps of ``runs`` models on (w - c)'A(w - c) / 2, A >= I; ``sizes`` of the parameter tensors.

    ``without``: the tensor whose gradient is always None, or none of them. Windows of ``every`` steps.
    """

    runs: int
    sizes: tuple[int, ...]
    every: int
    without: int
    seed: int

    @cached_property
    def arrays(self) -> tuple[Array, Array, Array]:
        """A (R, n, n), c and the directions (STEPS, R, n)."""
        rng, n = np.random.default_rng(self.seed), sum(self.sizes)
        L = rng.standard_normal((self.runs, n, n))
        A = np.eye(n) + L @ L.transpose(0, 2, 1) / n
        return A, rng.standard_normal((self.runs, n)), 0.3 * rng.standard_normal((STEPS, self.runs, n))

    def parameters(self) -> list[torch.nn.Parameter]:
        """At the origin."""
        shapes = [(size,) if self.runs == 1 else (self.runs, size) for size in self.sizes]
        return [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in shapes]


WALKS = st.builds(
    Walk,
    st.sampled_from((5, 1)),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(0, 2**16),
)


@dataclass(frozen=True)
class _Wander(StepperBase):
    """Goes where it is told, whatever the gradient is."""

    directions: Array

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return tensor(self.directions[int(step.k) - 1])


@dataclass(frozen=True, kw_only=True)
class _Recording(Window):
    """Keeps a copy of every pair that it is offered, of runs which have a reference."""

    pairs: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list, compare=False)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        self.pairs.append((move.s.clone(), y.clone(), move.where.clone()))
        return super().admit_(state, move, y, operator)


def _recipe(part: Any, walk: Walk, memory: _Recording) -> Recipe:
    """The first of two usual recipes which the generator accepts."""
    stepper = _Wander(walk.arrays[2])
    usual = Cadence(every=int(getattr(part, "every", walk.every)))
    each = Cadence(every=1, after_step=True, from_start=True, always_advance=True)
    momentum = getattr(part, "momentum", 0.0)
    for cadence, own in ((usual, stepper), (each, Nesterov(momentum=momentum, of=stepper)), (each, stepper)):
        try:
            return Recipe(pairs=part, scaling=Identity(), memory=memory, stepper=own, guard=None, cadence=cadence)
        except (TypeError, ValueError):
            continue
    reject()  # it asks for other parts, which nobody here can know


def _go(part: Any, walk: Walk) -> tuple[_Recording, float]:
    """All pairs and the largest |w|; supplies only the callables that the generator names."""
    parameters, memory = walk.parameters(), _Recording(capacity=0)
    A, c = (tensor(x) for x in walk.arrays[:2])

    def loss() -> tuple[Tensor, Tensor]:
        outputs = torch.cat([p.view(walk.runs, -1) for p in parameters], 1) - c
        return torch.einsum("ri,rij,rj->r", outputs, A, outputs) / 2, outputs

    closures: dict[str, Any] = dict.fromkeys({need.argument for need in part.needs} - {"monitor"}, loss)
    optimizer = QuasiNewton(parameters, _recipe(part, walk, memory), lr=1.0, runs=walk.runs, **closures)
    reach = 0.0
    for _ in range(STEPS):
        w = torch.cat([p.detach().view(walk.runs, -1) for p in parameters], 1)
        reach = max(reach, float(w.norm(dim=1).max()))
        gradients = torch.split(torch.einsum("rij,rj->ri", A, w - c), list(walk.sizes), 1)
        for index, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            p.grad = None if index == walk.without and len(parameters) > 1 else g.reshape(p.shape)
        _step(optimizer)
    unnamed = sorted(need.value for need in optimizer.oracle_calls_by_need.keys() - part.needs)
    holds(not unnamed, f"it asked for {', '.join(unnamed)}, which its needs do not name")
    return memory, reach


def _step(optimizer: QuasiNewton) -> None:
    """A step whose error is the part's."""
    try:
        optimizer.step()
    except Exception as error:
        raise AssertionError(f"the optimizer's step raised {type(error).__name__}: {error}") from error


@law(
    name="pairs-on-quadratics",
    statement="on a convex quadratic with exact gradients, by the optimizer: s'y >= 0 in every window; only what "
    "`needs` names is asked for",
    source="s'y = s'As for a difference of gradients and s'Fs for a second moment. A >= I leaves room for the "
    "-delta s of RES. y = 0 is no fault: no memory admits it.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="differences",
    kills=(
        "difference_upside_down",
        "y_of_the_last_window",
        "negative_once_full",
        "negative_from_the_ninth",
        "needs_unnamed",
        "differentiates_by_itself",
        "own_pairs_out_of_step",
    ),
    share=0.4,
    inputs=WALKS,
)
def on_quadratics(factory: Callable[[], Any], walk: Walk) -> None:
    """Several tensors, some without a gradient, random steps, a small store filled more than twice."""
    part = shrunk(factory(), 3, every=walk.every)
    memory, reach = _go(part, walk)
    if not memory.pairs:
        return
    A, c, _ = walk.arrays
    S, Y, where = (torch.stack(x) for x in zip(*memory.pairs, strict=True))
    holds(torch.isfinite(Y).all(), f"y is not finite: {Y.tolist()}")
    s_y, length = (S * Y).sum(2), S.norm(dim=2)
    norm = float(np.linalg.norm(A, 2, axis=(1, 2)).max())
    far = norm * (reach + float(np.linalg.norm(c, axis=1).max()) + length)  # of gradients
    moments = TOLERANCES["products"](m=STEPS, n=S.shape[2]) * STEPS * (far * length) ** 2
    atol = moments + TOLERANCES["differences"]() * far * length
    wrong = ((s_y < -atol) & where).nonzero().tolist()
    if wrong:
        window, run = wrong[0]
        what = f"s'y of window {window}, run {run} of {walk.runs}: got {float(s_y[window, run]):.6g}"
        holds(False, f"{what}, at least 0 expected, allowed {float(atol[window, run]):.3g}")


LAWS = (on_quadratics,)


class _UpsideDown(PairGeneratorBase):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        old, new = (oracle.gradient(w, Sample.CURVATURE) for w in (move.w_ref, move.w_bar))
        return old - new


@dataclass
class _Last:
    s: Tensor
    w: Tensor


class _OfTheLastWindow(PairGeneratorBase):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> _Last:
        return _Last(space.zeros(), space.zeros())

    def pair_(self, state: _Last, move: Displacement, oracle: OracleLike) -> Tensor:
        y = oracle.hessian_vector(move.w_bar, state.s)
        state.s = move.s.clone()
        return y

    def reset_(self, state: _Last, where: Tensor) -> None:
        state.s = state.s.masked_fill(where.unsqueeze(1), 0.0)


class _OutOfStep(_OfTheLastWindow):
    """Own pairs (s of this window, y of the last)."""

    def pair_(self, state: _Last, move: Displacement, oracle: OracleLike) -> Pair:  # type: ignore[override]
        return Pair(move.s, super().pair_(state, move, oracle))


class _NegativeOnceFull(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return torch.where((state.count == self.window).unsqueeze(1), -y, y)


@dataclass
class _Counted:
    store: FisherStore
    windows: Tensor


class _NegativeFromTheNinth(EmpiricalFisher):
    def init(self, space: Space) -> _Counted:  # type: ignore[override]
        return _Counted(super().init(space), space.counts())

    def observe_(self, state: _Counted, step: Step) -> None:  # type: ignore[override]
        super().observe_(state.store, step)

    def pair_(self, state: _Counted, move: Displacement, oracle: OracleLike) -> Tensor:  # type: ignore[override]
        y = super().pair_(state.store, move, oracle)
        state.windows = state.windows + move.where.long()
        return torch.where((state.windows > 8).unsqueeze(1), -y, y)

    def reset_(self, state: _Counted, where: Tensor) -> None:  # type: ignore[override]
        super().reset_(state.store, where)


class _Unnamed(HessianVector):
    needs = frozenset()


class _ByItself(PairGeneratorBase):
    """Differentiates its own model of the loss, which the optimizer does not allow it by itself."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        w = move.s.clone().requires_grad_()
        (y,) = torch.autograd.grad((w * w).sum(), w)
        return y


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "difference_upside_down": _UpsideDown,
        "y_of_the_last_window": _OfTheLastWindow,
        "own_pairs_out_of_step": _OutOfStep,
        "negative_once_full": _NegativeOnceFull,
        "negative_from_the_ninth": _NegativeFromTheNinth,
        "needs_unnamed": _Unnamed,
        "differentiates_by_itself": _ByItself,
    }
}
