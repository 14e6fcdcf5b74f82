"""What else is in the authors' MATLAB package minSQN: damped and regularised online methods."""

from __future__ import annotations

from adaqn_lab.memory import CautiousSS, Dense, PowellB, PowellH, RegularisedDense, Repaired, ShiftedWindow, Window
from adaqn_lab.pairs import GradientDifference
from adaqn_lab.protocols import Sample
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import BarzilaiBorwein, Identity
from adaqn_lab.steppers import Plain, PlusGradient

POSITIVE = CautiousSS(eps=0.0)

DOLBFGS = Recipe(
    pairs=GradientDifference(sample=Sample.BATCH),
    scaling=BarzilaiBorwein(),
    memory=Repaired(by=PowellH(delta=0.2), of=Window(capacity=20, test=POSITIVE)),
    stepper=Plain(),
    guard=None,
    cadence=EVERY_STEP,
)
"""D-oLBFGS: same-batch differences, Powell's damping in the H form, constant steps."""

DOBFGS = DOLBFGS.but(scaling=Identity(), memory=Repaired(by=PowellB(delta=0.2), of=Dense()))
"""D-oBFGS: the same with a dense matrix from H0 = I and Powell's damping in the B form."""

RES = DOLBFGS.but(
    pairs=GradientDifference(sample=Sample.BATCH, shift=-1e-3),
    scaling=Identity(),
    memory=RegularisedDense(delta=1e-3),
    stepper=PlusGradient(weight=1e-4),
)
"""RES: y = gradient difference - delta s, B <- BFGS(B, s, y) + delta I, d = (B^-1 + Gamma I) g.

B0 = I here; a public code takes delta I. Published steps decay; the step here is the optimizer's lr.
"""

LRES = RES.but(scaling=BarzilaiBorwein(), memory=ShiftedWindow(capacity=20, delta=1e-3))
"""L-RES: the limited-memory form, d = (B + delta I)^-1 g + Gamma g with B the L-BFGS matrix; only minSQN has it."""

_MINSQN = "minSQN (Keskar)"
METHODS = (
    Named(name="DOLBFGS", recipe=DOLBFGS, citation=_MINSQN, evidence=(Evidence.CODE,), note="Damping in H form."),
    Named(name="DOBFGS", recipe=DOBFGS, citation=_MINSQN, evidence=(Evidence.CODE,), note="Damping in B form."),
    Named(
        name="RES",
        recipe=RES,
        citation="Mokhtari & Ribeiro, IEEE Trans. Signal Process. 62 (2014); minSQN",
        evidence=(Evidence.CODE,),
        note="B0 = I, constant lr unless scheduled.",
    ),
    Named(name="LRES", recipe=LRES, citation=_MINSQN, evidence=(Evidence.CODE,), note="By Woodbury's formula."),
)
