"""The options of the C library stochQN, without its defects."""

from __future__ import annotations

from adaqn_lab.cadence import Cadence
from adaqn_lab.memory import CautiousSS, Window
from adaqn_lab.pairs import GradientDifference, HessianVector
from adaqn_lab.protocols import Sample
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.keskar2016_adaqn import ADAQN_STOCHQN
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import BarzilaiBorwein, RMSProp
from adaqn_lab.steppers import Decaying, Plain

OLBFGS_STOCHQN = Recipe(
    pairs=GradientDifference(sample=Sample.BATCH),
    scaling=BarzilaiBorwein(),
    memory=Window(capacity=10, test=CautiousSS(eps=1e-4)),
    stepper=Plain(),
    guard=None,
    cadence=EVERY_STEP,
)
"""oLBFGS as stochQN offers it: H0 from the newest pair, s'y > eps s's, no lambda by default."""

SQN_STOCHQN = OLBFGS_STOCHQN.but(pairs=HessianVector(), cadence=Cadence(every=20, after_step=True, always_advance=True))
"""SQN with averages after the step and the cautious test."""

SQN_STOCHQN_DIFFERENCE = SQN_STOCHQN.but(
    pairs=GradientDifference(sample=Sample.CURVATURE), cadence=Cadence(every=20, after_step=True)
)
"""SQN with gradient differences on a long batch; a skipped pair keeps the reference, as that code does here."""

ADAQN_STOCHQN_DIFFERENCE = ADAQN_STOCHQN.but(pairs=GradientDifference(sample=Sample.CURVATURE, shift=1e-3))
"""adaQN with gradient differences on a long batch and y regularisation, y + y_reg s."""

ADAQN_STOCHQN_RMSPROP = ADAQN_STOCHQN.but(scaling=RMSProp(decay=0.9, eps=1e-4), stepper=Decaying(tau=100.0, power=0.5))
"""adaQN with RMSProp's H0 and steps that decay as 1 / sqrt(k / 100 + 1): the R interface's defaults."""

_STOCHQN = "stochQN (Cortes)"
METHODS = (
    Named(
        name="OLBFGS_STOCHQN", recipe=OLBFGS_STOCHQN, citation=_STOCHQN, evidence=(Evidence.CODE,), note="No lambda."
    ),
    Named(name="SQN_STOCHQN", recipe=SQN_STOCHQN, citation=_STOCHQN, evidence=(Evidence.CODE,), note="Cautious test."),
    Named(
        name="SQN_STOCHQN_DIFFERENCE",
        recipe=SQN_STOCHQN_DIFFERENCE,
        citation=_STOCHQN,
        evidence=(Evidence.CODE,),
        note="Long-batch gradient differences.",
    ),
    Named(
        name="ADAQN_STOCHQN_DIFFERENCE",
        recipe=ADAQN_STOCHQN_DIFFERENCE,
        citation=_STOCHQN,
        evidence=(Evidence.CODE,),
        note="Long-batch gradient differences with y regularisation.",
    ),
    Named(
        name="ADAQN_STOCHQN_RMSPROP",
        recipe=ADAQN_STOCHQN_RMSPROP,
        citation=_STOCHQN,
        evidence=(Evidence.CODE,),
        note="RMSProp's H0, decaying steps.",
    ),
)
