"""Which properties a part declares, and so is held to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adaqn_lab import LookAheadDifference
from adaqn_lab.named import meant
from verification.catalogue import PROPERTIES, SPECIMENS
from verification.contracts.guards import ASKS, MONITOR_BOUND, asks
from verification.contracts.invertible import INVERTIBLE
from verification.contracts.memory import FIRST_IN_FIRST_OUT
from verification.contracts.memory_scale import ABSOLUTE
from verification.law import Property
from verification.memory.curvature_tests import of_test
from verification.methods import Method
from verification.optimizer.follows_adaqn import FOLLOWS_ADAQN, reading
from verification.pairs.look_ahead_difference import LOOK_AHEAD

_OF_KIND = {specimen.kind: specimen for specimen in SPECIMENS}


def is_shipped(part: Any) -> bool:
    """Whether ``part`` is of a type of adaqn_lab, exactly."""
    return type(part) in _OF_KIND


def declared(part: Any) -> frozenset[Property]:
    """The properties of ``part``: what its attribute ``declares`` names, or the specimen of its exact type.

    A memory with ``invertible`` says so by that, a guard which asks for losses by its ``needs``. Raises ``ValueError``
    for a word that is no property.
    """
    if isinstance(part, Method):
        return _of_method(part)
    own, specimen = getattr(part, "declares", None), _OF_KIND.get(type(part))
    found: frozenset[Property] = frozenset()
    if own is not None:
        found = words(own, repr(part))
    elif specimen is not None:
        found = specimen.properties(part)
    if hasattr(part, "judge_") and asks(part):
        found |= {ASKS}
    return found | {INVERTIBLE} if getattr(part, "invertible", False) is True else found


_WITH_UNITS = frozenset(
    {
        *("soft secant", "shifted", "spanned", "regularised dense", "regularised"),
        *("damped ss", "damped scaled", "tau damped", "double damped"),
    }
)
"""Words of properties of memories whose numbers have the units of a curvature."""


def with_units(part: Any, found: frozenset[Property]) -> frozenset[Property]:
    """``found``, and ``ABSOLUTE`` where these properties, or a memory inside, hold a number with units."""
    test, inner = getattr(part, "test", None), getattr(part, "of", None)
    names = {p.word for p in found | of_test(test)}
    by_test = names & {"cautious ss", "cautious yy"} and getattr(test, "eps", 0) > 0
    inside = inner is not None and ABSOLUTE in with_units(inner, declared(inner))
    return found | {ABSOLUTE} if by_test or inside or names & _WITH_UNITS else found


def words(names: Iterable[Any], owner: str) -> frozenset[Property]:
    """The properties of these names. Raises ``ValueError`` with a suggestion for a word that is no property."""
    found = set()
    for word in names:
        known = PROPERTIES.get(word.word if isinstance(word, Property) else word)
        if known is None:
            hint = meant(str(word), PROPERTIES) or f"; known are {', '.join(PROPERTIES)}."
            raise ValueError(f"{owner} declares {word!r}, which is no property{hint}")
        found.add(known)
    return frozenset(found)


def _of_method(method: Method) -> frozenset[Property]:
    """What a recipe's parts declare; a recipe without guard is never rolled back, as by the bound.

    Whoever inherits from the look-ahead pairs makes them under some stepper, whatever he changes else.
    """
    guard = method.recipe.guard
    bounded = guard is None or MONITOR_BOUND in declared(guard)
    fifo = FIRST_IN_FIRST_OUT in declared(method.recipe.memory)
    pairs = method.recipe.pairs
    found = {MONITOR_BOUND} if bounded and fifo else set()
    if isinstance(pairs, LookAheadDifference) or LOOK_AHEAD in declared(pairs):
        found.add(LOOK_AHEAD)
    return frozenset(found | {FOLLOWS_ADAQN} if reading(method.recipe) is not None else found)
