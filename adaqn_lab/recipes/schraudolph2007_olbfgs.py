"""Online BFGS: differences of gradients on the same mini-batch, one pair a step."""

from __future__ import annotations

from adaqn_lab.memory import CautiousSS, Dense, DisplacementAggregation, Window
from adaqn_lab.pairs import GradientDifference
from adaqn_lab.protocols import Sample
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import BarzilaiBorweinMean, Identity
from adaqn_lab.steppers import Decaying

OLBFGS = Recipe(
    pairs=GradientDifference(sample=Sample.BATCH, shift=1e-2),
    scaling=BarzilaiBorweinMean(initial=1e-4),
    memory=Window(capacity=10, test=CautiousSS(eps=0.0)),
    stepper=Decaying(tau=1000.0),
    guard=None,
    cadence=EVERY_STEP,
)
"""oLBFGS: y = g_S(w+) - g_S(w) + lambda s, H0 the mean of s'y / y'y over the memory, a small first step.

From memory of the literature and a public code. Published is a first step of 1e-10 g: its y is then a difference of
nearly equal gradients, which has lost ten digits, and in float32 all of them; hence 1e-4. lambda and tau are problem
dependent, the values here this library's.
"""

OBFGS = OLBFGS.but(scaling=Identity(), memory=Dense())
"""oBFGS: the same with a dense H from H0 = I.

The published damped rank-one term c rho s s', c <= 1, with its step eta / c, and the rescaled first H are left out.
"""

OBFGS_AGGREGATED = OBFGS.but(memory=DisplacementAggregation(capacity=10))
"""oBFGS without matrices: as long as the displacements stay in 10 dimensions it is oBFGS exactly, in 20 n numbers.

Where they do not, as in most networks, an old pair is evicted and the method is oLBFGS with H0 = I. Displacement
aggregation is published for L-BFGS with line searches; that it is put under oBFGS, and its closed form, are this
library's.
"""

METHODS = (
    Named(
        name="OLBFGS",
        recipe=OLBFGS,
        citation="Schraudolph, Yu & Guenter, AISTATS 2007",
        evidence=(Evidence.MEMORY, Evidence.CODE),
        note="lambda = 0.01, tau = 1000 and a first step of 1e-4 g are this library's.",
    ),
    Named(
        name="OBFGS",
        recipe=OBFGS,
        citation="Schraudolph, Yu & Guenter, AISTATS 2007",
        evidence=(Evidence.MEMORY,),
        note="Without the factor c on the rank-one term and the rescaled first H.",
    ),
    Named(
        name="OBFGS_AGGREGATED",
        recipe=OBFGS_AGGREGATED,
        citation="after Berahas, Curtis & Zhou, displacement aggregation",
        evidence=(Evidence.MEMORY, Evidence.PROPOSAL),
        note="oBFGS exactly while displacements lie in newer spans.",
    ),
)
