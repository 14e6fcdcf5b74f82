"""H and its inverse B as one object."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import MemoryPolicy, ScalingInitializer


def require_inverse(owner: str, memory: object, scaling: object) -> None:
    """Raise ``TypeError`` in one sentence, on behalf of ``owner``, if B v cannot be formed from these parts."""
    for role, part, method in (("memory", memory, "apply_inverse"), ("scaling", scaling, "apply_inverse_")):
        if not callable(getattr(part, method, None)):
            raise TypeError(f"{owner} needs B = H^-1 but {role}={part!r} has no {method}; choose one which has.")


def says_diagonal(scaling: object) -> bool:
    """Whether the scaling's ``diagonal`` is its H0: it has one, and no subclass wrote an ``apply_`` over it since."""
    order = inspect.getmro(type(scaling))
    found = [next((i for i, c in enumerate(order) if name in vars(c)), len(order)) for name in ("diagonal", "apply_")]
    return found[0] < len(order) and found[0] <= found[1]


@dataclass(frozen=True)
class InitialMatrix:
    """v -> H0 v with the states as they are now; may write into its argument."""

    scaling: ScalingInitializer
    states: Mapping[str, Any]
    as_data: bool

    def __call__(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return self.scaling.apply_(self.states["scaling"], self.states["memory"], v)

    @property
    def diagonal(self) -> Diagonal | None:
        """H0 as data, where the scaling says it so."""
        if not self.as_data:
            return None
        scaling: Any = self.scaling
        known: Diagonal = scaling.diagonal(self.states["scaling"], self.states["memory"])
        return known


@dataclass(frozen=True)
class InverseHessian:
    """``H(v)`` is H v, ``H.inverse(v)`` is B v, B = H^-1, with the states as they are now.

    (R, n) -> (R, n), fresh, without side effects; ``H.over_(v)`` is H v written over v. Cost: the memory's ``apply``
    or ``apply_inverse``. ``inverse`` raises ``TypeError`` for a memory without ``apply_inverse`` or a scaling without
    ``apply_inverse_``. With ``without_pairs`` nothing will ever be held and H = H0.
    """

    scaling: ScalingInitializer
    memory: MemoryPolicy
    states: Mapping[str, Any]
    without_pairs: bool = False

    @cached_property
    def _h0(self) -> InitialMatrix:
        return InitialMatrix(self.scaling, self.states, says_diagonal(self.scaling))

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v."""
        if self.without_pairs:
            return self._h0(v.clone())
        return self.memory.apply(self.states["memory"], v, self._h0)

    def over_(self, v: Tensor) -> Tensor:
        """Return H v, in ``v`` itself where the memory has ``apply_``."""
        if self.without_pairs:
            return self._h0(v)
        in_place: Callable[[Any, Tensor, Any], Tensor] | None = getattr(self.memory, "apply_", None)
        return self(v) if in_place is None else in_place(self.states["memory"], v, self._h0)

    def inverse(self, v: Tensor) -> Tensor:
        """Return B v."""
        require_inverse("operator.inverse", self.memory, self.scaling)
        memory: Any = self.memory
        scaling: Any = self.scaling
        history = self.states["memory"]
        product: Tensor = memory.apply_inverse(
            history, v, lambda u: scaling.apply_inverse_(self.states["scaling"], history, u)
        )
        return product
