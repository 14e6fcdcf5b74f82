"""The shipped parts and recipes, in the variations in which the laws are checked on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import adaqn_lab as lab
from adaqn_lab import Recipe
from verification.law import Subject

PARTS: dict[Subject, tuple[Callable[[], Any], ...]] = {
    Subject.PAIRS: (
        lab.EmpiricalFisher,
        partial(lab.EmpiricalFisher, window=3, normalisation=lab.Sum()),
        partial(lab.EmpiricalFisher, window=1),
        partial(lab.EmpiricalFisher, window=2, normalisation=lab.MeanTimesBatch(batch_size=5)),
        lab.HessianVector,
    ),
    Subject.SCALING: (
        lab.AdaGrad,
        partial(lab.AdaGrad, eps=2.0**-26),
        lab.RMSProp,
        partial(lab.RMSProp, decay=0.0, eps=1e-8),
        lab.BarzilaiBorwein,
        lab.Identity,
    ),
    Subject.MEMORY: (
        lab.Window,
        partial(lab.Window, capacity=0),
        partial(lab.Window, capacity=1, test=lab.CautiousSS()),
        partial(lab.Window, capacity=3, test=lab.CautiousCosine()),
    ),
    Subject.STEPPER: (lab.Plain,),
    Subject.GUARD: (
        lab.MonitorIncrease,
        partial(lab.MonitorIncrease, at_most=1.5, slack=0.5, reevaluate=True, clear_store=False),
    ),
}
"""Role -> factories."""

RECIPES: dict[str, Recipe] = {name: found for name in lab.__all__ if isinstance(found := getattr(lab, name), Recipe)}
"""Name -> recipe, of all that adaqn_lab names."""


def everything() -> list[Any]:
    """All factories and recipes, for :func:`verification.verify`."""
    return [*(factory for factories in PARTS.values() for factory in factories), *RECIPES.values()]
