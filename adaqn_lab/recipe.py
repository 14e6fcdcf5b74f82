"""A method as a value: one part for each role."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from adaqn_lab.cadence import Cadence
from adaqn_lab.protocols import (
    Guard,
    InnerStepper,
    MemoryPolicy,
    Need,
    PairGenerator,
    ScalingInitializer,
    lacking,
)

_ROLES: dict[str, tuple[type, str]] = {
    "pairs": (PairGenerator, "PairGeneratorBase"),
    "scaling": (ScalingInitializer, "ScalingBase"),
    "memory": (MemoryPolicy, "MemoryBase"),
    "stepper": (InnerStepper, "StepperBase"),
    "guard": (Guard, "GuardBase"),
}
ROLES = tuple(_ROLES)
"""The roles which parts fill, in the order in which everything lists them."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A stochastic quasi-Newton method: prints, compares, hashes and pickles; ``repr`` evaluates back.

    ``pairs=None`` makes no pairs, so that every step is the step with H0 (the guard, if any, still watches);
    ``guard=None`` never rolls back for the sake of the monitor loss. Any object with the attributes of a role
    fits that role; hash and ``repr`` are as good as the parts'.

    Raises ``TypeError`` for a part which lacks an attribute of its role; ``ValueError`` or ``TypeError`` for parts
    which cannot work together (a part's ``check_recipe(recipe)`` says so in one sentence).

    >>> from adaqn_lab import ADAQN, BarzilaiBorwein, diff
    >>> diff(ADAQN, ADAQN.but(scaling=BarzilaiBorwein()))
    {'scaling': (AdaGrad(eps=0.0001), BarzilaiBorwein())}
    """

    pairs: PairGenerator | None
    scaling: ScalingInitializer
    memory: MemoryPolicy
    stepper: InnerStepper
    guard: Guard | None
    cadence: Cadence

    def __post_init__(self) -> None:
        for name, (role, base) in _ROLES.items():
            part = getattr(self, name)
            if part is None and name in ("pairs", "guard"):
                continue
            if isinstance(part, type):
                raise TypeError(
                    f"Recipe: {name}={part!r} is a class; pass an instance of it, {part.__name__}() for example."
                )
            if lacks := lacking(role, part):
                raise TypeError(
                    f"Recipe: {name}={part!r} is no {role.__name__}, it lacks {', '.join(lacks)}; write it as "
                    f"adaqn_lab.protocols.{role.__name__} says, or inherit what adaqn_lab.bases.{base} has."
                )
        if not isinstance(self.cadence, Cadence):
            raise TypeError(f"Recipe: cadence={self.cadence!r} is no Cadence; pass Cadence(every=20).")
        for part in self.parts.values():
            part.check_recipe(self)

    @property
    def parts(self) -> dict[str, Any]:
        """The parts by role, in the order of the roles; without a generator or a guard that is None."""
        return {role: part for role in _ROLES if (part := getattr(self, role)) is not None}

    def but(self, **changes: Any) -> Recipe:
        """The same recipe with some roles replaced. Raises ``TypeError`` for an unknown role."""
        roles = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(changes.keys() - set(roles))
        if unknown:
            raise TypeError(f"Recipe.but: unknown role {unknown[0]!r}; the roles are {', '.join(roles)}.")
        return dataclasses.replace(self, **changes)

    @property
    def needs(self) -> frozenset[Need]:
        """What the parts ask of the training loop: the union of their ``needs``."""
        return frozenset().union(*self.needs_by_role.values())

    @property
    def needs_by_role(self) -> dict[str, frozenset[Need]]:
        """The needs of each role's part."""
        return {role: frozenset(part.needs) for role, part in self.parts.items()}


def diff(a: Recipe, b: Recipe) -> dict[str, tuple[Any, Any]]:
    """The roles in which two recipes differ: role -> (part of a, part of b); empty iff they are equal."""
    return {
        field.name: (getattr(a, field.name), getattr(b, field.name))
        for field in dataclasses.fields(Recipe)
        if getattr(a, field.name) != getattr(b, field.name)
    }
