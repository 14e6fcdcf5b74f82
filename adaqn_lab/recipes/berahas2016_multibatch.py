"""Gradient differences on the overlap of successive mini-batches, and curvature sampled anew."""

from __future__ import annotations

from adaqn_lab.memory import CautiousCosine, CautiousSS, PowellB, Repaired, Window
from adaqn_lab.pairs import GradientDifference, SampledHessian
from adaqn_lab.protocols import Sample
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.named import EVERY_STEP, Evidence, Named
from adaqn_lab.scaling import BarzilaiBorwein
from adaqn_lab.steppers import Plain

MULTIBATCH_LBFGS = Recipe(
    pairs=GradientDifference(sample=Sample.OVERLAP),
    scaling=BarzilaiBorwein(),
    memory=Window(capacity=10, test=CautiousSS(eps=1e-4)),
    stepper=Plain(),
    guard=None,
    cadence=EVERY_STEP,
)
"""Multi-batch L-BFGS: y on the data which this mini-batch shares with the next, a pair skipped unless s'y > eps s's.

The training loop decides the overlap and supplies it as ``overlap``. The value of eps is this library's.
"""

DAMPED_LBFGS = MULTIBATCH_LBFGS.but(
    pairs=GradientDifference(sample=Sample.BATCH),
    memory=Repaired(by=PowellB(delta=0.2), of=Window(capacity=10, test=CautiousSS(eps=0.0))),
)
"""L-BFGS on the same mini-batch with Powell's damping in the B form, as the package PyTorch-LBFGS offers it.

That package forms B s from the stepping gradient (s = -lr H g), which is invalid once s is an average; here B s
comes from the compact form. Its line searches are not part of this recipe.
"""

SAMPLED_LBFGS = MULTIBATCH_LBFGS.but(
    pairs=SampledHessian(count=10, radius=1.0),
    memory=Window(capacity=10, test=CautiousCosine(eps=1e-8)),
)
"""S-LBFGS: 10 pairs along Gaussian directions, made anew at every iterate from Hessian-vector products.

The published method steps by an Armijo search; here lr is constant, and the first step is made without pairs.
"""

METHODS = (
    Named(
        name="MULTIBATCH_LBFGS",
        recipe=MULTIBATCH_LBFGS,
        citation="Berahas, Nocedal & Takac, NIPS 2016",
        evidence=(Evidence.DOCUMENTED, Evidence.MEMORY),
        note="The overlap is the training loop's.",
    ),
    Named(
        name="DAMPED_LBFGS",
        recipe=DAMPED_LBFGS,
        citation="PyTorch-LBFGS (Shi & Mudigere)",
        evidence=(Evidence.CODE,),
        note="Without its line searches; B s from the compact form.",
    ),
    Named(
        name="SAMPLED_LBFGS",
        recipe=SAMPLED_LBFGS,
        citation="Berahas, Jahani, Richtarik & Takac, arXiv 1901.09997",
        evidence=(Evidence.CODE,),
        note="Without the Armijo search; no pairs at the first step.",
    ),
)
