"""One of every part of the family, its fields not at their defaults; and what their recipes need of a small model."""

from __future__ import annotations

import torch
from torch import nn

import adaqn_lab as lab
from adaqn_lab import QuasiNewton, Recipe
from tests.adaqn_lab.small import Loss, batch

TESTED = lab.Window(capacity=4, test=lab.CautiousCosine(eps=0.125))
PARTS = {
    "AggregatedWindow": lab.AggregatedWindow(capacity=3, parallel=0.5),
    "AveragedDifference": lab.AveragedDifference(decay=0.5, every=4),
    "BarzilaiBorweinMean": lab.BarzilaiBorweinMean(initial=0.25),
    "BiasCorrectedRMSProp": lab.BiasCorrectedRMSProp(decay=0.5, eps=1e-3),
    "BlockDiagonal": lab.BlockDiagonal(of=TESTED),
    "CentredFisher": lab.CentredFisher(batch_size=7, window=5),
    "Clipped": lab.Clipped(radius=2.0),
    "ClippedBarzilaiBorwein": lab.ClippedBarzilaiBorwein(floor=0.5),
    "Constant": lab.Constant(value=0.5),
    "Decaying": lab.Decaying(tau=3.0, power=0.5, of=lab.Normalised()),
    "Dense": lab.Dense(limit=12),
    "DisplacementAggregation": lab.DisplacementAggregation(capacity=3, h0=0.5, tolerance=1e-4),
    "GaussNewton": lab.GaussNewton(),
    "Gradient": lab.Gradient(),
    "GradientAverage": lab.GradientAverage(decay=0.5),
    "GradientDifference": lab.GradientDifference(sample=lab.Sample.OVERLAP, shift=-0.5),
    "HessianDifference": lab.HessianDifference(radius=0.5),
    "HostFisher": lab.HostFisher(window=5, every=2, normalisation=lab.Sum(), dtype=torch.bfloat16),
    "LevenbergDamping": lab.LevenbergDamping(mu=0.5),
    "LookAheadDifference": lab.LookAheadDifference(momentum=0.5, shift=0.25),
    "Momentum": lab.Momentum(momentum=0.5),
    "Nesterov": lab.Nesterov(momentum=0.5, shrink=0.5, grow=2.0, at_most=0.75, of=lab.Clipped()),
    "Normalised": lab.Normalised(of=lab.Momentum()),
    "PlusGradient": lab.PlusGradient(weight=0.5),
    "PowellB": lab.PowellB(delta=0.5),
    "PowellH": lab.PowellH(delta=0.5),
    "PowellScaled": lab.PowellScaled(delta=0.5, floor=2.0),
    "Regularised": lab.Regularised(shift=0.5),
    "RegularisedDense": lab.RegularisedDense(delta=0.5, limit=9),
    "Repaired": lab.Repaired(by=lab.PowellH(), of=lab.Repaired(by=lab.LevenbergDamping(), of=TESTED)),
    "rounded Fisher": lab.EmpiricalFisher(window=5, normalisation=lab.Sum(), dtype=torch.bfloat16),
    "SampledHessian": lab.SampledHessian(count=2, radius=0.5, seed=7),
    "ShiftedWindow": lab.ShiftedWindow(capacity=2, delta=0.5),
    "SketchedFisher": lab.SketchedFisher(rows=3, group=2, seed=1),
    "SoftWindow": lab.SoftWindow(capacity=2, softness=0.5),
    "TauDamping": lab.TauDamping(lower=0.5, upper=2.0, tau=0.5),
    "WarmStart": lab.WarmStart(steps=3, of=lab.Clipped()),
}


class LossAndOutputs(Loss):
    """``() -> (loss, outputs)``, for Gauss-Newton products."""

    def __call__(self):
        x, y = batch(self.k, next(self.model.parameters()).dtype)
        outputs = self.model(x)
        return nn.functional.cross_entropy(outputs.flatten(0, 1), y.flatten()), outputs


class Current(Loss):
    """The loss of the mini-batch of the step, which the loop sets."""


def family_optimizer(model: nn.Module, recipe: Recipe, lr: float = 0.02, **options) -> tuple[QuasiNewton, Current]:
    """An optimizer with every callable, and the one whose ``k`` the loop sets."""
    current = Current(model, 0)
    optimizer = QuasiNewton(
        model.parameters(),
        recipe,
        lr=lr,
        monitor=Loss(model),
        curvature=LossAndOutputs(model, -2),
        batch=current,
        overlap=current,
        **options,
    )
    return optimizer, current


def family_train(model: nn.Module, optimizer: QuasiNewton, current: Current, start: int, stop: int) -> None:
    """Mini-batches ``start`` to ``stop - 1``."""
    for k in range(start, stop):
        current.k = k
        model.zero_grad()
        Loss(model, k)().backward()
        optimizer.step()


def finite(tensors: dict[str, torch.Tensor]) -> bool:
    """Whether no tensor but the guard's losses holds a NaN or an infinity."""
    return all(bool(torch.isfinite(x).all()) for name, x in tensors.items() if not name.startswith("guard"))
