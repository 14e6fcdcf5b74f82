"""H0 as a direction uses it: a memory may take a Diagonal apart, and asks H0 in the middle of its own products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import AdaGrad, CautiousCosine, Diagonal, Window
from adaqn_lab.operator import InverseHessian
from adaqn_lab.protocols import Curvature
from verification.benches import ScalingBench
from verification.compare import close
from verification.conditioning import Conditioning
from verification.law import Group, Subject, law
from verification.parts import displacement, tensor
from verification.references import two_loop
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
MEMORY = Window(capacity=3, test=CautiousCosine(eps=0.0))


def _operator(bench: ScalingBench) -> InverseHessian:
    """H of the case's pairs around the part's H0, in a window of three."""
    state, case = MEMORY.init(bench.space), bench.case
    operator = InverseHessian(bench.part, MEMORY, {"scaling": bench.state, "memory": state})
    S, Y = case.pairs
    for k in range(case.items):
        move = displacement(tensor(S[:, k]), bench.mask(case.masks[k]))
        MEMORY.admit_(state, move, tensor(Y[:, k]), operator)
    bench.__dict__["history"] = state  # so that the bench asks for H0 with the same pairs
    return operator


def _expected(S: Array, Y: Array, H0: Array, v: Array) -> Array:
    """The two-loop recursion around a matrix H0, by the eigenvectors in which it is diagonal."""
    h0, Q = np.linalg.eigh((H0 + H0.T) / 2)
    return np.asarray(Q @ two_loop.direction(S @ Q, Y @ Q, h0, Q.T @ v))


@law(
    name="scaling-in-direction",
    statement="H v of a window of pairs is the two-loop recursion with H0.apply_ in its middle, and B H v = v",
    source="Nocedal 1980. A window applies a Diagonal inside its own passes, by its fields.",
    group=Group.REFERENCE,
    subject=Subject.SCALING,
    tolerance="operator",
    kills=("diagonal_with_another_apply", "diagonal_with_clipped_entries", "solve_of_the_start"),
    inputs=contract_cases(),
)
def in_direction(factory: Factory, case: ContractCase) -> None:
    """What is tested by its products is what a step uses."""
    bench = ScalingBench(factory(), case)
    bench.feed_all()
    operator = _operator(bench)
    H0, v = bench.matrices(), tensor(case.v)
    got = operator(v)
    back = operator.inverse(got.clone())
    for run in range(case.runs):
        S, Y = (x[run][case.masks[:, run]][-MEMORY.capacity :].astype(np.float64) for x in case.pairs)
        c = Conditioning.of(S, Y, np.linalg.eigvalsh(H0[run]))
        size = c.magnitude * float(np.linalg.norm(case.v[run]))
        atol = TOLERANCES["operator"](case.dtype, m=c.m, n=c.n, c_min=c.c_min) * size
        expected = _expected(S, Y, H0[run], case.v[run].astype(np.float64))
        close(got[run], expected, atol, f"H v of run {run} with {c.m} pairs, against the two loops around H0")
        atol = TOLERANCES["inverse"](case.dtype, m=c.m, n=c.n, c_min=c.c_min) * size * c.inverse
        close(back[run], case.v[run], atol, f"B H v of run {run} with {c.m} pairs, against v")


LAWS = (in_direction,)


class _Twice(Diagonal):
    """Twice what its fields say."""

    def apply_(self, v: Tensor) -> Tensor:
        return super().apply_(v).mul_(2.0)

    def solve_(self, v: Tensor) -> Tensor:
        return super().solve_(v).mul_(0.5)


class _Clipped(Diagonal):
    """Entries of 1 at most."""

    def _entries(self, like: Tensor) -> Tensor:
        return super().apply_(torch.ones_like(like)).clamp_(max=1.0)

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self._entries(v))

    def solve_(self, v: Tensor) -> Tensor:
        return v.div_(self._entries(v))


class _OfTheStart(Diagonal):
    """Solves with the H0 of no gradient."""

    def solve_(self, v: Tensor) -> Tensor:
        root: float = self.eps**0.5
        return v * root


def _with(kind: type[Diagonal]) -> Callable[[], AdaGrad]:
    class Scaling(AdaGrad):
        def h0(self, state: Any, curvature: Curvature) -> Diagonal:
            return kind(squares=state.total, eps=self.eps)

    return Scaling


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "diagonal_with_another_apply": _with(_Twice),
        "diagonal_with_clipped_entries": _with(_Clipped),
        "solve_of_the_start": _with(_OfTheStart),
    }
}
