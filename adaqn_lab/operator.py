"""H and its inverse B as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from adaqn_lab.protocols import MemoryPolicy, ScalingInitializer


def require_inverse(owner: str, memory: object, scaling: object) -> None:
    """Raise ``TypeError`` in one sentence, on behalf of ``owner``, if B v cannot be formed from these parts."""
    for role, part, method in (("memory", memory, "apply_inverse"), ("scaling", scaling, "apply_inverse_")):
        if not callable(getattr(part, method, None)):
            raise TypeError(f"{owner} needs B = H^-1 but {role}={part!r} has no {method}; choose one which has.")


@dataclass(frozen=True)
class InverseHessian:
    """``H(v)`` is H v, ``H.inverse(v)`` is B v, B = H^-1, with the states as they are now.

    (R, n) -> (R, n), fresh, without side effects. Cost: the memory's ``apply`` or ``apply_inverse``. ``inverse``
    raises ``TypeError`` for a memory without ``apply_inverse`` or a scaling without ``apply_inverse_``. With
    ``without_pairs`` nothing will ever be held and H = H0.
    """

    scaling: ScalingInitializer
    memory: MemoryPolicy
    states: Mapping[str, Any]
    without_pairs: bool = False

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v."""
        history = self.states["memory"]

        def h0(u: Tensor) -> Tensor:
            return self.scaling.apply_(self.states["scaling"], history, u)

        return h0(v.clone()) if self.without_pairs else self.memory.apply(history, v, h0)

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
