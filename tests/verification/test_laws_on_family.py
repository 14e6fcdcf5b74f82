"""The family's parts obey the laws that apply to them, but for what is said here."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import settings

import adaqn_lab as lab
from verification import LAWS, Subject
from verification.properties import declared
from verification.running import run

SMALL = lab.Window(capacity=3)
PARTS = {
    Subject.PAIRS: [
        lab.GradientDifference,
        partial(lab.GradientDifference, sample=lab.Sample.OVERLAP, shift=0.5),
        partial(lab.GradientDifference, sample=lab.Sample.CURVATURE, shift=-0.125),
        lab.HessianDifference,
        partial(lab.RoundedFisher, window=3),
        partial(lab.SketchedFisher, rows=2, group=2),
    ],
    Subject.SCALING: [
        lab.BiasCorrectedRMSProp,
        partial(lab.BiasCorrectedRMSProp, decay=0.0, eps=1e-4),
        lab.ClippedBarzilaiBorwein,
        lab.Constant,
    ],
    Subject.MEMORY: [
        lab.Dense,
        lab.RegularisedDense,
        lab.BlockDiagonal,
        partial(lab.SoftWindow, capacity=3),
        partial(lab.ShiftedWindow, capacity=6),
        partial(lab.AggregatedWindow, capacity=3),
        partial(lab.Repaired, by=lab.PowellB(), of=SMALL),
        partial(lab.Repaired, by=lab.PowellB(), of=lab.Dense()),
        partial(lab.Repaired, by=lab.PowellH(), of=SMALL),
        partial(lab.Repaired, by=lab.LevenbergDamping(), of=SMALL),
        partial(lab.Repaired, by=lab.TauDamping(), of=SMALL),
        partial(lab.Repaired, by=lab.PowellScaled(), of=SMALL),
        partial(lab.Repaired, by=lab.Regularised(), of=SMALL),
    ],
    Subject.STEPPER: [
        lab.Gradient,
        lab.Momentum,
        lab.Nesterov,
        lab.Normalised,
        lab.GradientAverage,
        lab.Clipped,
        lab.PlusGradient,
    ],
}
CASES = [
    pytest.param(law, factory, id=f"{law.name}-{factory()!r}")
    for law in LAWS
    for factory in PARTS.get(law.subject, [])
    if law.needs <= declared(factory())
]


@pytest.mark.parametrize(("law", "factory"), CASES)
def test_part(law, factory):
    run(law, factory, settings(max_examples=25))
