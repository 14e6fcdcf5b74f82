"""Dampings and averages made for deep networks, on a flat vector."""

from __future__ import annotations

from adaqn_lab.cadence import Cadence
from adaqn_lab.memory import (
    BlockDiagonal,
    CautiousSS,
    LevenbergDamping,
    PowellH,
    Repaired,
    SoftWindow,
    TauDamping,
    Window,
)
from adaqn_lab.pairs import AveragedDifference, GradientDifference
from adaqn_lab.protocols import Sample
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import BarzilaiBorwein, Constant
from adaqn_lab.steppers import GradientAverage, Plain

POSITIVE = CautiousSS(eps=0.0)

DOUBLE_DAMPED = Recipe(
    pairs=GradientDifference(sample=Sample.BATCH),
    scaling=Constant(value=1.0),
    memory=Repaired(
        by=PowellH(delta=0.2),
        of=Repaired(by=LevenbergDamping(mu=0.1), of=Window(capacity=20, test=CautiousSS(eps=1e-4))),
    ),
    stepper=GradientAverage(decay=0.9),
    guard=None,
    cadence=EVERY_STEP,
)
"""K-BFGS(L)'s double damping, H0 = I and averaged gradient, on a flat vector.

K-BFGS takes its pairs layer by layer from Kronecker factors; here they are same-batch differences of the whole vector,
so this is its damping, not the method.
"""

MLBFGS = Recipe(
    pairs=AveragedDifference(decay=0.9, every=20),
    scaling=BarzilaiBorwein(),
    memory=BlockDiagonal(of=Repaired(by=TauDamping(), of=Window(capacity=10, test=POSITIVE))),
    stepper=GradientAverage(decay=0.9),
    guard=None,
    cadence=Cadence(every=20, from_start=True, always_advance=True),
)
"""mL-BFGS: pairs from moving averages of iterates and gradients, tau-damping, block-wise memory.

Documented: these three and the plain step. The H0, the constants of the damping and the averaged gradient in the step
are this library's choice.
"""

SOFT_LBFGS = Recipe(
    pairs=GradientDifference(sample=Sample.BATCH),
    scaling=BarzilaiBorwein(),
    memory=SoftWindow(capacity=10, softness=1e-2),
    stepper=Plain(),
    guard=None,
    cadence=EVERY_STEP,
)
"""L-BFGS with a soft secant: the denominators s'y + tau of S-BFGS, with a fixed tau = softness s's."""

METHODS = (
    Named(
        name="DOUBLE_DAMPED",
        recipe=DOUBLE_DAMPED,
        citation="the damping of K-BFGS(L), Goldfarb, Ren & Bahamou, NeurIPS 2020",
        evidence=(Evidence.CODE,),
        note="Pairs of the flat vector, not of Kronecker factors.",
    ),
    Named(
        name="MLBFGS",
        recipe=MLBFGS,
        citation="Niu et al., TMLR 2023",
        evidence=(Evidence.DOCUMENTED,),
        note="H0 and the damping's constants are this library's.",
    ),
    Named(
        name="SOFT_LBFGS",
        recipe=SOFT_LBFGS,
        citation="after Carlon, Espath & Tempone, arXiv 2507.07729",
        evidence=(Evidence.DOCUMENTED,),
        note="A fixed softness in place of per-sample variances.",
    ),
)
