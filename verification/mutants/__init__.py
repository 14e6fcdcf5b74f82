"""Deliberately wrong implementations, each named by its sin: what the laws must catch.

``python -m verification.mutants`` runs every law on every one of them and prints the matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verification.catalogue import modules
from verification.law import Subject
from verification.mutants import (
    aggregation,
    centred_fisher,
    double_damping,
    drives,
    family,
    family_lengths,
    family_pairs,
    family_scaling,
    guards,
    h0,
    keeping,
    memory,
    memory_h0,
    operators,
    optimizers,
    pairs,
    rounded_pairs,
    scaling,
    steppers,
    stores,
)

_OF_PARTS = (
    *(pairs, scaling, memory, steppers, guards),
    *(family, family_lengths, family_pairs, family_scaling, stores),
    *(aggregation, centred_fisher, double_damping, h0, keeping, memory_h0, rounded_pairs),
)


def _all(role: str) -> dict[str, Callable[[], Any]]:
    """The wrong parts of one role, of every module that has some."""
    found: dict[str, Callable[[], Any]] = {}
    for module in _OF_PARTS:
        found |= getattr(module, role, {})
    return found


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.OPERATOR: operators.OPERATORS,
    Subject.PAIRS: _all("PAIRS"),
    Subject.SCALING: _all("SCALING"),
    Subject.MEMORY: _all("MEMORY"),
    Subject.STEPPER: _all("STEPPERS"),
    Subject.GUARD: _all("GUARDS"),
    Subject.RECIPE: optimizers.METHODS,
    Subject.DRIVE: drives.DRIVES,
}
"""What it is about -> sin -> factory of the wrong operator, part or method."""

for _module in modules():
    for _subject, _wrong in getattr(_module, "MUTANTS", {}).items():
        MUTANTS[_subject] |= _wrong

__all__ = ["MUTANTS"]
