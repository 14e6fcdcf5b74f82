"""Deliberately wrong implementations, each named by its sin: what the laws must catch.

``python -m verification.mutants`` runs every law on every one of them and prints the matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verification.law import Subject
from verification.mutants import (
    aggregation,
    centred_fisher,
    double_damping,
    family,
    family_lengths,
    family_pairs,
)
from verification.mutants.drives import DRIVES
from verification.mutants.guards import GUARDS
from verification.mutants.memory import MEMORY
from verification.mutants.operators import OPERATORS
from verification.mutants.optimizers import METHODS
from verification.mutants.pairs import PAIRS
from verification.mutants.scaling import SCALING
from verification.mutants.steppers import STEPPERS

MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.OPERATOR: OPERATORS,
    Subject.PAIRS: PAIRS | family.PAIRS | family_pairs.PAIRS | centred_fisher.PAIRS,
    Subject.SCALING: SCALING,
    Subject.MEMORY: MEMORY | family.MEMORY | aggregation.MEMORY | double_damping.MEMORY,
    Subject.STEPPER: STEPPERS | family.STEPPERS | family_lengths.STEPPERS,
    Subject.GUARD: GUARDS,
    Subject.RECIPE: METHODS,
    Subject.DRIVE: DRIVES,
}
"""What it is about -> sin -> factory of the wrong operator, part or method."""

__all__ = ["MUTANTS"]
