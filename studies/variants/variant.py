"""A variant: a named method with the grid of learning rates on which a study tunes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab import Need, QuasiNewton, Recipe, SampledHessian, diff
from studies.baselines.factory import Callables, OptimizerFactory
from studies.errors import InputError
from studies.variants.tunable import tunable
from studies.variants.tuned import Fields, TunedField

GRID_STEP = 0.5
"""Spacing of the learning rates in decades: neighbours differ by a factor of about 3.2."""


_ADDRESS = " at 0x"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method under its name in reports; ``centre`` is the middle of its grid of learning rates."""

    name: str
    method: Recipe | OptimizerFactory
    centre: float

    def __post_init__(self) -> None:
        if not self.centre > 0:
            raise InputError(f"{self.name} has its grid around lr={self.centre}: a rate must be positive.")

    def require_repr(self) -> None:
        """Raise `InputError` for a part by whose `repr` a study would not know the same method again."""
        parts = self.method.parts.values() if isinstance(self.method, Recipe) else (self.method,)
        for part in parts:
            if _ADDRESS in repr(part):
                raise InputError(
                    f"{self.name} cannot be told from another method, since its {type(part).__name__} shows as a place "
                    f"in memory ({part!r}): make it a frozen dataclass, whose repr says what it is."
                )

    @property
    def overlaps(self) -> bool:
        """Whether the method wants mini-batches that overlap."""
        return isinstance(self.method, Recipe) and Need.OVERLAP_GRADIENT in self.method.needs

    @property
    def tunes(self) -> tuple[TunedField, ...]:
        """What a study can tune beside the learning rate, in the order in which it is put into the method."""
        return tunable(self.method)

    def with_fields(self, fields: Fields) -> "Variant":
        """Return the variant with these values in its method; without fields it is itself."""
        known, method = {field.name: field for field in self.tunes}, self.method
        for name, value in fields:
            if name not in known:
                raise InputError(f"{self.name} has no {name} to tune: choose from {', '.join(known) or 'nothing'}.")
            method = known[name].put(method, value)
        return replace(self, method=method) if fields else self

    def build(
        self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables, *, graphs: bool = False
    ) -> Optimizer:
        """Return the optimizer of R runs, parameters (R, ...) each, rates ``lr``; it takes the callables it needs.

        ``graphs``: a recipe's steps are captured as CUDA graphs, unless its parts draw random numbers on the host.
        """
        if not isinstance(self.method, Recipe):
            return self.method.build(params, lr, callables)
        needs: dict[str, Any] = {need.argument: callables[need.argument] for need in self.method.needs}
        rates: float | Tensor = lr[0]
        if len(lr) > 1 or params[0].is_cuda or graphs:
            rates = torch.tensor(lr, dtype=torch.float64, device=params[0].device)
        graphs = graphs and not isinstance(self.method.pairs, SampledHessian)
        return QuasiNewton(params, self.method, lr=rates, runs=len(lr), graphs=graphs, **needs)

    def grid(self, rates: int) -> tuple[float, ...]:
        """Return ``rates`` learning rates around the centre, half a decade apart, ascending, 3 digits each.

        >>> Variant(name="Adam", method=..., centre=0.01).grid(3)
        (0.00316, 0.01, 0.0316)
        """
        middle = (rates - 1) / 2
        return tuple(float(f"{self.centre * 10 ** (GRID_STEP * (i - middle)):.3g}") for i in range(rates))

    def changes_from(self, reference: "Variant") -> dict[str, str]:
        """Return what separates the two: ``{"scaling": "AdaGrad(eps=0.0001) -> RMSProp(...)"}``."""
        if isinstance(self.method, Recipe) and isinstance(reference.method, Recipe):
            parts = diff(reference.method, self.method)
            return {role: f"{before!r} -> {after!r}" for role, (before, after) in parts.items()}
        return {} if self.method == reference.method else {"optimizer": repr(self.method)}
