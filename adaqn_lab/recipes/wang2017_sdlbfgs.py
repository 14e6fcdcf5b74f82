"""SdLBFGS: stochastic damped L-BFGS for non-convex problems."""

from __future__ import annotations

from adaqn_lab.memory import CautiousSS, Dense, PowellB, PowellScaled, Repaired, Window
from adaqn_lab.pairs import GradientDifference
from adaqn_lab.protocols import Sample
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import ClippedBarzilaiBorwein, Identity
from adaqn_lab.steppers import Decaying

SDLBFGS = Recipe(
    pairs=GradientDifference(sample=Sample.BATCH),
    scaling=ClippedBarzilaiBorwein(floor=0.1),
    memory=Repaired(by=PowellScaled(delta=0.25, floor=0.1), of=Window(capacity=10, test=CautiousSS(eps=0.0))),
    stepper=Decaying(tau=1.0, power=0.5),
    guard=None,
    cadence=EVERY_STEP,
)
"""SdLBFGS: H0 = I / gamma, gamma = max(y'y / s'y, delta), y damped with B = gamma I and 0.25, steps lr / sqrt(k).

gamma in the direction is that of the pair as held; the publication takes it before the damping.
"""

SDBFGS = SDLBFGS.but(scaling=Identity(), memory=Repaired(by=PowellB(delta=0.25), of=Dense()))
"""SDBFGS: the dense form, Powell's damping with the dense B, H0 = I."""

_WANG = "Wang, Ma, Goldfarb & Liu, SIAM J. Optim. 27 (2017)"
METHODS = (
    Named(
        name="SDLBFGS",
        recipe=SDLBFGS,
        citation=_WANG,
        evidence=(Evidence.CODE,),
        note="gamma of the pair as held, not as it was before damping.",
    ),
    Named(name="SDBFGS", recipe=SDBFGS, citation=_WANG, evidence=(Evidence.CODE,), note="H0 = I."),
)
