"""Every shipped part obeys every law that applies to it."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import settings

import adaqn_lab as lab
from verification import LAWS, Subject
from verification.properties import declared
from verification.running import run

PARTS = {
    Subject.PAIRS: [
        lab.EmpiricalFisher,
        partial(lab.EmpiricalFisher, window=3, normalisation=lab.Sum()),
        partial(lab.EmpiricalFisher, window=1),
        partial(lab.EmpiricalFisher, window=2, normalisation=lab.MeanTimesBatch(batch_size=5)),
        lab.HessianVector,
    ],
    Subject.SCALING: [
        lab.AdaGrad,
        partial(lab.AdaGrad, eps=2.0**-26),
        lab.RMSProp,
        partial(lab.RMSProp, decay=0.0, eps=1e-8),
        lab.BarzilaiBorwein,
        lab.Identity,
    ],
    Subject.MEMORY: [
        lab.Window,
        partial(lab.Window, capacity=0),
        partial(lab.Window, capacity=1, test=lab.CautiousSS()),
        partial(lab.Window, capacity=3, test=lab.CautiousCosine()),
    ],
    Subject.STEPPER: [lab.Plain],
    Subject.GUARD: [
        lab.MonitorIncrease,
        partial(lab.MonitorIncrease, at_most=1.0, reevaluate=True),
        partial(lab.MonitorIncrease, at_most=2.0, slack=0.5, clear_store=False),
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
    run(law, factory, settings(max_examples=50))


def test_names_are_unique():
    names = [law.name for law in LAWS]
    assert sorted(set(names)) == sorted(names)
