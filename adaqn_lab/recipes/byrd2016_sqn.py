"""SQN: Hessian-vector products at averaged iterates, and what was made of it."""

from __future__ import annotations

from adaqn_lab.cadence import Cadence
from adaqn_lab.memory import AggregatedWindow, CautiousSS, PowellH, Repaired, Window
from adaqn_lab.pairs import HessianDifference, HessianVector
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import Evidence, Named
from adaqn_lab.scaling import BarzilaiBorwein
from adaqn_lab.steppers import Plain

POSITIVE = CautiousSS(eps=0.0)
"""s'y > 0 and nothing more."""

SQN = Recipe(
    pairs=HessianVector(),
    scaling=BarzilaiBorwein(),
    memory=Window(capacity=10, test=POSITIVE),
    stepper=Plain(),
    guard=None,
    cadence=Cadence(every=20, always_advance=True),
)
"""SQN: y = (Hessian of a curvature batch) s with s between averages of L iterates; no guard, no threshold.

Until the first pair at 2 L the steps are stochastic gradient descent, since H0 = I without pairs. Documented: the
components and the schedule. Published analyses use decaying steps; the step here is the optimizer's lr.
"""

DSQN = SQN.but(memory=Repaired(by=PowellH(delta=0.2), of=Window(capacity=10, test=POSITIVE)))
"""SQN whose pairs are damped in the H form instead of refused, as minSQN's code does."""

SQN_BY_DIFFERENCE = SQN.but(pairs=HessianDifference(radius=1e-3))
"""SQN with products by central differences, for layers without a second derivative (cuDNN's recurrent kernels)."""

SQN_AGGREGATED = SQN.but(memory=AggregatedWindow(capacity=10, parallel=0.99, test=POSITIVE))
"""SQN in which a displacement nearly parallel to the last replaces its pair: successive averages of a slow phase
point the same way, and evicting old directions for them loses curvature. Only the parallel case of displacement
aggregation, which needs no fixed H0; OBFGS_AGGREGATED has the general one."""

_SQN = "Byrd, Hansen, Nocedal & Singer, SIAM J. Optim. 26 (2016)"
METHODS = (
    Named(name="SQN", recipe=SQN, citation=_SQN, evidence=(Evidence.DOCUMENTED,), note="Constant lr unless scheduled."),
    Named(
        name="DSQN",
        recipe=DSQN,
        citation="minSQN (Keskar), Powell's damping in H form",
        evidence=(Evidence.CODE,),
        note="No pair is refused for small curvature.",
    ),
    Named(
        name="SQN_BY_DIFFERENCE",
        recipe=SQN_BY_DIFFERENCE,
        citation=_SQN,
        evidence=(Evidence.PROPOSAL,),
        note="Products by central differences of gradients.",
    ),
    Named(
        name="SQN_AGGREGATED",
        recipe=SQN_AGGREGATED,
        citation="after Berahas, Curtis & Zhou, displacement aggregation",
        evidence=(Evidence.MEMORY,),
        note="The parallel case of displacement aggregation only.",
    ),
)
