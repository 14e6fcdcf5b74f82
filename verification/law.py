"""What a law is."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis.strategies import SearchStrategy

from verification.tolerances import TOLERANCES, Tolerance


class Group(enum.Enum):
    """What kind of truth a law states."""

    CONTRACT = "contract"
    """What the optimizer relies on: shapes, masks, purity, schedule, saving."""
    MATHEMATICS = "mathematics"
    """Identities and inequalities of the field."""
    REFERENCE = "reference"
    """Equality with an independent textbook form or another library."""
    INVARIANCE = "invariance"
    """Two ways to the same result."""


class Subject(enum.Enum):
    """What a law is about; the value is how reports name it."""

    OPERATOR = "operator"
    """A function ``direction(S, Y, h0, g) -> d`` on NumPy arrays, the oldest pair first."""
    PAIRS = "pair generator"
    SCALING = "scaling"
    MEMORY = "memory"
    STEPPER = "stepper"
    GUARD = "guard"
    RECIPE = "recipe"
    DRIVE = "method's own steps"
    """A function ``drive(gradient, start, steps) -> Driven`` which runs somebody's L-BFGS."""


@dataclass(frozen=True)
class Property:
    """What a part may declare of itself, and so be held to: a ``word``, what it means, and the ``fields`` it reads.

    A part declares by an attribute ``declares``, a set of these words (nothing of ours needs to be imported);
    ``verification.verify`` takes them as an argument too.
    """

    word: str
    meaning: str = field(compare=False)
    fields: tuple[str, ...] = field(default=(), compare=False)


Factory = Callable[[], Any]
"""Makes a fresh part."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """One checkable statement about one subject.

    ``name``; ``statement``, a formula; ``source``; ``group``; ``subject``;
    ``needs``, the properties which must all be declared for the law to apply; ``unless``, the words of those of which
    one exempts; ``share``, the part of a profile's cases which it gets, where one case says much; ``tolerance``, a
    name in the table; ``min_pairs``, how many pairs a memory must be able to hold for it; ``kills``, the wrong parts
    (by name) that the law catches; ``inputs``, the strategy of its cases; ``check``, a function of the subject and one
    case which raises AssertionError with both numbers.

    For an operator the first argument of ``check`` is the direction function, for a part a factory of fresh
    parts, for a recipe a :class:`~verification.methods.Method`, for steps the drive function.
    """

    name: str
    statement: str
    source: str
    group: Group
    subject: Subject
    check: Callable[[Any, Any], None] = field(repr=False)
    inputs: SearchStrategy[Any] = field(repr=False)
    kills: tuple[str, ...] = ()
    tolerance: str = "exact"
    needs: frozenset[Property] = frozenset()
    unless: frozenset[str] = frozenset()
    share: float = 1.0
    min_pairs: int = 0

    def __post_init__(self) -> None:
        if self.tolerance not in TOLERANCES:
            raise ValueError(f"Law {self.name!r}: tolerance {self.tolerance!r} is not in the table; add it there.")

    @property
    def bound(self) -> Tolerance:
        """The tolerance."""
        return TOLERANCES[self.tolerance]

    def __call__(self, subject: Any, case: Any) -> None:
        """Check one case."""
        self.check(subject, case)


def law(
    *,
    name: str,
    statement: str,
    source: str,
    group: Group,
    subject: Subject,
    inputs: SearchStrategy[Any],
    kills: tuple[str, ...] = (),
    tolerance: str = "exact",
    needs: Iterable[Property] = (),
    unless: Iterable[str] = (),
    share: float = 1.0,
    min_pairs: int = 0,
) -> Callable[[Callable[[Any, Any], None]], Law]:
    """Make the decorated check function ``(subject, case) -> None`` a :class:`Law`."""

    def made(check: Callable[[Any, Any], None]) -> Law:
        return Law(
            name=name,
            statement=statement,
            source=source,
            group=group,
            subject=subject,
            check=check,
            inputs=inputs,
            kills=kills,
            tolerance=tolerance,
            needs=frozenset(needs),
            unless=frozenset(unless),
            share=share,
            min_pairs=min_pairs,
        )

    return made
