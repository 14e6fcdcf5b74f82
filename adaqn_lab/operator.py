"""H and its inverse B as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from adaqn_lab.ambient import plain_arithmetic
from adaqn_lab.protocols import InitialMatrix, MemoryPolicy, ScalingInitializer


def require_inverse(owner: str, memory: MemoryPolicy) -> None:
    """Raise ``TypeError`` in one sentence, on behalf of ``owner``, if the memory has no products with B."""
    if not memory.invertible:
        raise TypeError(
            f"{owner} needs B = H^-1 but memory={memory!r} has no products with it; pass Window() or Dense()."
        )


@dataclass(frozen=True)
class InverseHessian:
    """``H(v)`` is H v, ``H.inverse(v)`` is B v, B = H^-1, with the states as they are now.

    (R, n) -> (R, n), fresh, without side effects; ``H.apply_(v)`` is H v and writes into v. Cost: the memory's
    ``apply_`` or ``solve_``. ``inverse`` raises ``TypeError`` for a memory which has none. With ``without_pairs``
    nothing will ever be held and H = H0.
    """

    scaling: ScalingInitializer
    memory: MemoryPolicy
    states: Mapping[str, Any]
    without_pairs: bool = False

    @property
    def h0(self) -> InitialMatrix:
        """H0 as it is now."""
        return self.scaling.h0(self.states["scaling"], self.states["memory"])

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v."""
        self._check(v)
        return self.apply_(v.clone())

    def _check(self, v: Tensor) -> None:
        """Raise ``ValueError`` in one sentence unless ``v`` is (R, n)."""
        shape = self.states["clock"].reference.shape if "clock" in self.states else v.shape
        if v.shape != shape:
            raise ValueError(f"operator: v has shape {tuple(v.shape)}; pass one of shape {tuple(shape)}, (R, n).")

    def apply_(self, v: Tensor) -> Tensor:
        """Return H v; writes into ``v``."""
        with plain_arithmetic(v.device):
            h0 = self.h0
            return h0.apply_(v) if self.without_pairs else self.memory.apply_(self.states["memory"], v, h0)

    def inverse(self, v: Tensor) -> Tensor:
        """Return B v."""
        require_inverse("operator.inverse", self.memory)
        self._check(v)
        with plain_arithmetic(v.device):
            h0, v = self.h0, v.clone()
            return h0.solve_(v) if self.without_pairs else self.memory.solve_(self.states["memory"], v, h0)
