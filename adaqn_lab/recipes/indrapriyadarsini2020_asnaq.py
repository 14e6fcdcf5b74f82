"""Nesterov's acceleration: oNAQ, oLNAQ and aSNAQ."""

from __future__ import annotations

from adaqn_lab.memory import CautiousSS, Dense, Window
from adaqn_lab.pairs import LookAheadDifference
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.keskar2016_adaqn import ADAQN
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import BarzilaiBorweinMean, Identity
from adaqn_lab.steppers import Decaying, Nesterov, Normalised

OLNAQ = Recipe(
    pairs=LookAheadDifference(momentum=0.9, shift=1e-2),
    scaling=BarzilaiBorweinMean(),
    memory=Window(capacity=10, test=CautiousSS(eps=0.0)),
    stepper=Nesterov(momentum=0.9, of=Decaying(tau=1.0, power=0.5, of=Normalised())),
    guard=None,
    cadence=EVERY_STEP,
)
"""oLNAQ: pairs from the look-ahead point to the iterate, unit directions, steps lr / sqrt(k), Nesterov's momentum.

Documented: normalisation and look-ahead; from memory: the schedule and lambda.
"""

ONAQ = OLNAQ.but(scaling=Identity(), memory=Dense())
"""oNAQ: the same with a dense matrix from H0 = I (NAQ, Ninomiya 2017, made stochastic)."""

ASNAQ = ADAQN.but(stepper=Nesterov(momentum=0.8, shrink=1 / 1.1, grow=1.1, at_most=0.95, of=Normalised()))
"""aSNAQ: adaQN whose gradient is taken at the look-ahead point, with unit directions and Nesterov's momentum.

A roll-back restores the velocity with the parameters and shrinks mu; a kept window lets it grow. Documented: the
normalised direction and that it builds on adaQN; from memory: the treatment of mu, whose numbers are this library's.
"""

_ONAQ = "Indrapriyadarsini, Mahboubi, Ninomiya & Asai, arXiv 1909.03621"
METHODS = (
    Named(name="OLNAQ", recipe=OLNAQ, citation=_ONAQ, evidence=(Evidence.DOCUMENTED, Evidence.MEMORY), note=""),
    Named(name="ONAQ", recipe=ONAQ, citation=_ONAQ, evidence=(Evidence.DOCUMENTED, Evidence.MEMORY), note="H0 = I."),
    Named(
        name="ASNAQ",
        recipe=ASNAQ,
        citation="Indrapriyadarsini et al., NOLTA 11 (2020)",
        evidence=(Evidence.DOCUMENTED, Evidence.MEMORY),
        note="The numbers that govern mu are this library's.",
    ),
)
