"""The shipped parts and recipes, in the variations in which the laws are checked on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import adaqn_lab as lab
from adaqn_lab import Recipe
from adaqn_lab.recipes import ALL
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
        partial(lab.Window, capacity=3, dtype=torch.bfloat16),
    ),
    Subject.STEPPER: (lab.Plain,),
    Subject.GUARD: (
        lab.MonitorIncrease,
        partial(lab.MonitorIncrease, at_most=1.5, slack=0.5, reevaluate=True, clear_store=False),
    ),
}
"""Role -> factories, of the parts of adaQN itself."""

_SMALL = lab.Window(capacity=3)
FAMILY: dict[Subject, tuple[Callable[[], Any], ...]] = {
    Subject.PAIRS: (
        lab.GradientDifference,
        partial(lab.GradientDifference, sample=lab.Sample.OVERLAP, shift=0.5),
        partial(lab.GradientDifference, sample=lab.Sample.CURVATURE, shift=-0.125),
        lab.HessianDifference,
        partial(lab.EmpiricalFisher, window=3, dtype=torch.bfloat16),
        lab.HostFisher,
        partial(lab.HostFisher, window=3, every=2),
        partial(lab.HostFisher, window=2, every=5, normalisation=lab.Sum()),
        partial(lab.HostFisher, window=3, every=2, dtype=torch.bfloat16),
        partial(lab.SketchedFisher, rows=2, group=2),
        partial(lab.CentredFisher, batch_size=5, window=3),
        partial(lab.CentredFisher, batch_size=1),
        partial(lab.SketchedFisher, rows=1, group=3, normalisation=lab.Sum(), seed=7),
        lab.GaussNewton,
        partial(lab.SampledHessian, count=3, radius=0.5),
        partial(lab.AveragedDifference, every=3),
        partial(lab.AveragedDifference, every=1, decay=0.0),
        lab.LookAheadDifference,
        partial(lab.LookAheadDifference, momentum=0.5, shift=0.25),
    ),
    Subject.SCALING: (
        lab.BiasCorrectedRMSProp,
        partial(lab.BiasCorrectedRMSProp, decay=0.0, eps=1e-4),
        lab.ClippedBarzilaiBorwein,
        partial(lab.ClippedBarzilaiBorwein, floor=1.25),
        partial(lab.Constant, value=0.25),
        lab.BarzilaiBorweinMean,
        partial(lab.BarzilaiBorweinMean, initial=1e-10),
    ),
    Subject.MEMORY: (
        lab.Dense,
        lab.RegularisedDense,
        lab.BlockDiagonal,
        partial(lab.BlockDiagonal, of=lab.Repaired(by=lab.PowellB(), of=_SMALL)),
        partial(lab.BlockDiagonal, of=lab.Repaired(by=lab.PowellH(), of=_SMALL)),
        partial(lab.SoftWindow, capacity=3),
        partial(lab.ShiftedWindow, capacity=6),
        partial(lab.AggregatedWindow, capacity=3),
        partial(lab.DisplacementAggregation, capacity=3),
        partial(lab.DisplacementAggregation, capacity=5, h0=0.25),
        partial(lab.Repaired, by=lab.PowellB(), of=_SMALL),
        partial(lab.Repaired, by=lab.PowellB(), of=lab.Dense()),
        partial(lab.Repaired, by=lab.PowellH(), of=_SMALL),
        partial(lab.Repaired, by=lab.LevenbergDamping(), of=_SMALL),
        partial(lab.Repaired, by=lab.PowellH(), of=lab.Repaired(by=lab.LevenbergDamping(), of=_SMALL)),
        partial(lab.Repaired, by=lab.TauDamping(), of=_SMALL),
        partial(lab.Repaired, by=lab.PowellScaled(), of=_SMALL),
        partial(lab.Repaired, by=lab.Regularised(), of=_SMALL),
    ),
    Subject.STEPPER: (
        lab.Gradient,
        lab.Momentum,
        lab.Nesterov,
        partial(lab.Nesterov, shrink=0.5, grow=1.25, at_most=0.95),
        lab.Normalised,
        lab.GradientAverage,
        lab.Clipped,
        lab.PlusGradient,
        lab.Decaying,
        partial(lab.Decaying, tau=5.0, power=0.5, of=lab.Momentum()),
        partial(lab.WarmStart, steps=2),
        partial(lab.WarmStart, steps=3, of=lab.Momentum()),
    ),
}
"""The same for the parts of adaQN's relatives."""

RECIPES: dict[str, Recipe] = {named.name: named.recipe for named in ALL}
"""Name -> recipe, of all that adaqn_lab ships."""


def everything() -> list[Any]:
    """All factories and recipes, for :func:`verification.verify`."""
    return [*(factory for parts in (PARTS, FAMILY) for found in parts.values() for factory in found), *RECIPES.values()]
