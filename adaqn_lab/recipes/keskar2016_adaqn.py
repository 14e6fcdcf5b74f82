"""adaQN in three readings. No one of them is claimed to be the paper line by line.

The sources agree on the algorithm (windowed averages, Fisher pairs, AdaGrad-like H0, a loss guard) and differ
in the choices below; the known defects of the implementations are not reproduced.
"""

from __future__ import annotations

from adaqn_lab.cadence import Cadence
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.memory import CautiousSS, CautiousYY, Window
from adaqn_lab.pairs import EmpiricalFisher, Mean, Sum
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import Evidence, Named
from adaqn_lab.scaling import AdaGrad, RMSProp
from adaqn_lab.steppers import Plain

ADAQN = Recipe(
    pairs=EmpiricalFisher(window=100, normalisation=Mean()),
    scaling=AdaGrad(eps=1e-4),
    memory=Window(capacity=10, test=CautiousYY(eps=1e-4)),
    stepper=Plain(),
    guard=MonitorIncrease(at_most=1.01),
    cadence=Cadence(every=20),
)
"""adaQN as the paper is best known (Keskar & Berahas 2016): 1/|F|, AdaGrad, pairs and F cleared on a roll-back.

Uncertain: the form of the cautious test (y'y here; stochQN reads s's), averaging before the step, L = 20.
"""

ADAQN_MINSQN = Recipe(
    pairs=EmpiricalFisher(window=100, normalisation=Sum()),
    scaling=RMSProp(decay=0.9, eps=2.0**-26),
    memory=Window(capacity=20, test=CautiousYY(eps=1e-4)),
    stepper=Plain(),
    guard=MonitorIncrease(at_most=1.01, reevaluate=True, clear_store=False),
    cadence=Cadence(every=20),
)
"""adaQN as in the authors' MATLAB code (minSQN): F F's without 1/|F|, RMS scaling with eps = sqrt(macheps), m_L = 20.

F is kept on a roll-back and both monitor losses are evaluated at each window. That code tunes L in 2..64; its
roll-back which skips the iteration counter, and its AdaGrad accumulator which never accumulates, are not reproduced.
"""

ADAQN_STOCHQN = Recipe(
    pairs=EmpiricalFisher(window=100, normalisation=Mean()),
    scaling=AdaGrad(eps=1e-4),
    memory=Window(capacity=10, test=CautiousSS(eps=1e-4)),
    stepper=Plain(),
    guard=MonitorIncrease(at_most=1.01),
    cadence=Cadence(every=20, after_step=True),
)
"""adaQN as stochQN documents it: s'y > eps s's, averages after the step, the Python defaults (10, 100, 20, AdaGrad).

Its H0 which multiplies by the gradient, its window sum kept over a roll-back, and its reference loss which moves
without the reference are not reproduced.
"""

_PAPER = "Keskar & Berahas, ECML-PKDD 2016"
METHODS = (
    Named(
        name="ADAQN",
        recipe=ADAQN,
        citation=_PAPER,
        evidence=(Evidence.CODE, Evidence.DOCUMENTED),
        note="Form of the cautious test and place of the average uncertain.",
    ),
    Named(
        name="ADAQN_MINSQN",
        recipe=ADAQN_MINSQN,
        citation=_PAPER + "; minSQN",
        evidence=(Evidence.CODE,),
        note="Known defects of that code not reproduced.",
    ),
    Named(
        name="ADAQN_STOCHQN",
        recipe=ADAQN_STOCHQN,
        citation=_PAPER + "; stochQN",
        evidence=(Evidence.CODE,),
        note="Known defects of that code not reproduced.",
    ),
)
