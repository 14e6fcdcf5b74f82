"""A method as a value: one part for each role."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from adaqn_lab.cadence import Cadence
from adaqn_lab.protocols import Guard, InnerStepper, MemoryPolicy, Need, PairGenerator, ScalingInitializer
from adaqn_lab.space import Space


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A stochastic quasi-Newton method: prints, compares, hashes and pickles; ``repr`` evaluates back.

    ``pairs=None`` makes no pairs, so that every step is the step with H0 (the guard, if any, still watches);
    ``guard=None`` never rolls back for the sake of the monitor loss. Any object with the methods of a role
    fits that role; hash and ``repr`` are as good as the parts'.

    Raises ``TypeError`` for a part which lacks a method of its role; ``ValueError`` or ``TypeError`` for parts which
    cannot work together (a part's optional ``check_recipe(recipe)`` says so in one sentence).

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
        roles: dict[str, type] = {
            "pairs": PairGenerator,
            "scaling": ScalingInitializer,
            "memory": MemoryPolicy,
            "stepper": InnerStepper,
            "guard": Guard,
        }
        for name, role in roles.items():
            part = getattr(self, name)
            if part is None and name in ("pairs", "guard"):
                continue
            if isinstance(part, type) or not isinstance(part, role):
                wanted = ", ".join(sorted(n for n in vars(role) if not n.startswith("_")))
                raise TypeError(f"Recipe: {name}={part!r} is no {role.__name__}; pass an object which has {wanted}.")
        if not isinstance(self.cadence, Cadence):
            raise TypeError(f"Recipe: cadence={self.cadence!r} is no Cadence; pass Cadence(every=20).")
        for part in self._parts():
            if hasattr(part, "check_recipe"):
                part.check_recipe(self)

    def _parts(self) -> list[Any]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def check_space(self, space: Space) -> None:
        """Raise ``ValueError`` in one sentence if a part cannot hold a problem of this size."""
        for part in self._parts():
            if hasattr(part, "check_space"):
                part.check_space(space)

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
        """The needs of each role's part; a part which declares none has none."""
        return {
            field.name: frozenset(getattr(getattr(self, field.name), "needs", ())) for field in dataclasses.fields(self)
        }


def diff(a: Recipe, b: Recipe) -> dict[str, tuple[Any, Any]]:
    """The roles in which two recipes differ: role -> (part of a, part of b); empty iff they are equal."""
    return {
        field.name: (getattr(a, field.name), getattr(b, field.name))
        for field in dataclasses.fields(Recipe)
        if getattr(a, field.name) != getattr(b, field.name)
    }
