"""What a memory holds, read from its operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from adaqn_lab import Space
from adaqn_lab.operator import InverseHessian
from verification.compare import torch_dtype
from verification.conditioning import Conditioning
from verification.parts import Array, array, by_entries, displacement, operator_of, tensor
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES, Tolerance

CASES = operator_cases(min_size=2, cosines=(1.0, 0.7, 0.3), dtypes=("float64",))


class Held:
    """One run of a memory around a fixed diagonal H0, with the case's pairs offered."""

    def __init__(self, part: Any, case: OperatorCase, shapes: tuple[tuple[int, ...], ...] = ()) -> None:
        self.part, self.h0 = part, tensor(case.h0)
        self.space = Space(1, case.n, torch_dtype(case.dtype), shapes=shapes)
        self.state = part.init(self.space)
        self.products: list[tuple[float, float, float]] = []
        for s, y in zip(case.S, case.Y, strict=True):
            self.admit(s, y)

    @property
    def operator(self) -> InverseHessian:
        """H and B as the parts see them."""
        return operator_of(self.part, self.state, by_entries(self.h0[None]))

    def __call__(self, v: Any) -> Any:
        """H v, as a step makes it."""
        return self.operator.apply_(v.clone())

    def inverse(self, v: Any) -> Any:
        """B v."""
        return self.operator.inverse(v)

    def admit(self, s: Array, y: Array) -> Any:
        """Offer a pair; return the verdict."""
        move = displacement(tensor(s[None]), self.space.mask(True))
        verdict = self.part.admit_(self.state, move, tensor(y[None]), self.operator)
        if bool(verdict.admitted):
            self.products.append((float(verdict.s_y), float(verdict.s_s), float(verdict.y_y)))
        return verdict

    def H(self) -> Array:
        """The matrix, column by column."""
        return np.stack([array(self(tensor(e[None])))[0] for e in np.eye(self.space.size)], axis=1)

    @property
    def conditioning(self) -> Conditioning:
        """Of the pairs as they were admitted: a repair may have changed them."""
        s_y, s_s, y_y = np.array(self.products).reshape(-1, 3).T
        return Conditioning.of_products(s_y, s_s, y_y, array(self.h0))

    def allowed(self, tolerance: Tolerance) -> float:
        """How far two forms of H v, or of B v by ``inverse``, may part per unit of |v|."""
        c = self.conditioning
        size = c.magnitude * c.inverse if tolerance is TOLERANCES["inverse"] else c.magnitude
        return 2 * tolerance(m=c.m, n=c.n, c_min=c.c_min) * size
