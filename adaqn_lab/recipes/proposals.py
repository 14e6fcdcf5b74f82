"""Proposals: what might make adaQN better, one change each; `Named.motivation` says why."""

from __future__ import annotations

import torch

from adaqn_lab.memory import BlockDiagonal, CautiousCosine, CautiousSS, CautiousYY, Window
from adaqn_lab.pairs import CentredFisher, EmpiricalFisher, GaussNewton, MeanTimesBatch, SketchedFisher
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.keskar2016_adaqn import ADAQN
from adaqn_lab.recipes.named import Evidence, Named
from adaqn_lab.scaling import BiasCorrectedRMSProp
from adaqn_lab.steppers import Clipped


def adaqn_rescaled(batch_size: int) -> Recipe:
    """adaQN with y multiplied by the batch size, and s'y > 0 as its only test.

    Raises ``ValueError`` or ``TypeError`` for ``batch_size`` < 1.
    """
    return ADAQN.but(
        pairs=EmpiricalFisher(normalisation=MeanTimesBatch(batch_size=batch_size)),
        memory=Window(test=CautiousSS(eps=0.0)),
    )


def adaqn_centred(batch_size: int) -> Recipe:
    """:func:`adaqn_rescaled` with only the gradients' noise multiplied by the batch size, not their mean.

    Raises ``ValueError`` or ``TypeError`` for ``batch_size`` < 1.
    """
    return adaqn_rescaled(batch_size).but(pairs=CentredFisher(batch_size=batch_size))


ADAQN_RESCALED = adaqn_rescaled(50)
"""The rescaled Fisher matrix for batches of 50 examples; :func:`adaqn_rescaled` for others."""

ADAQN_CENTRED = adaqn_centred(50)
"""Mean and noise of the gradients told apart, for batches of 50 examples; :func:`adaqn_centred` for others."""

ADAQN_GAUSS_NEWTON = ADAQN.but(pairs=GaussNewton())
"""adaQN with generalised Gauss-Newton pairs: curvature of the loss itself in its own units, still s'y >= 0."""

ADAQN_ADAM = ADAQN.but(scaling=BiasCorrectedRMSProp())
"""adaQN around Adam's bias-corrected H0, with eps inside the root."""

ADAQN_COSINE = ADAQN.but(memory=Window(test=CautiousCosine(eps=1e-4)))
"""adaQN with the scale-free test s'y > eps |s| |y|."""

ADAQN_PER_TENSOR = ADAQN.but(memory=BlockDiagonal(of=Window(test=CautiousYY(eps=1e-4))))
"""adaQN with a memory for each parameter tensor; a layer's weight and bias are two."""

ADAQN_ROUNDED = ADAQN.but(pairs=EmpiricalFisher(dtype=torch.bfloat16))
"""adaQN with its gradients stored in bfloat16."""

ADAQN_SKETCHED = ADAQN.but(pairs=SketchedFisher(rows=20, group=5))
"""adaQN with 20 signed sums of 5 gradients in place of 100 gradients."""

ADAQN_TRUST = ADAQN.but(stepper=Clipped(radius=1.0))
"""adaQN with a bound on the length of H g."""


def _proposal(name: str, recipe: Recipe, note: str, motivation: str) -> Named:
    return Named(
        name=name,
        recipe=recipe,
        citation="Keskar & Berahas 2016, changed",
        evidence=(Evidence.PROPOSAL,),
        note=note,
        motivation=motivation,
    )


METHODS = (
    _proposal(
        "ADAQN_RESCALED",
        ADAQN_RESCALED,
        "y times the batch size, here 50.",
        "E[g g'] = grad grad' + Cov / B for mini-batches of B examples: the mean over stored gradients underestimates "
        "the Fisher matrix about B times near stationarity. Steps along stored directions come out B times too long, "
        "and the guard throws the pairs away. The factor B undoes it.",
    ),
    _proposal(
        "ADAQN_CENTRED",
        ADAQN_CENTRED,
        "The covariance times the batch size, here 50, the mean as it is.",
        "The mean of B examples' gradients is the gradient, whatever B; only the covariance is B times too small. The "
        "factor B on both overestimates the curvature along the gradient where that is large against its noise, early "
        "in training. Telling them apart costs nothing: only the coefficients of the stored gradients change.",
    ),
    _proposal(
        "ADAQN_GAUSS_NEWTON",
        ADAQN_GAUSS_NEWTON,
        "Curvature in the loss's own units.",
        "Fisher pairs scale with the square of the loss and need a hundred stored gradients. Gauss-Newton pairs scale "
        "with the loss, need none, still have s'y >= 0 for a loss convex in the outputs, and cost about three backward "
        "passes of a curvature batch a window.",
    ),
    _proposal(
        "ADAQN_ADAM",
        ADAQN_ADAM,
        "H0 may grow again.",
        "AdaGrad's H0 only shrinks, which suits a convex problem and may starve a long non-convex run. A decaying mean "
        "of squares forgets; Adam's correction keeps the first steps from being 1 / sqrt(1 - decay), here thirty, "
        "times too long.",
    ),
    _proposal(
        "ADAQN_COSINE",
        ADAQN_COSINE,
        "The test does not depend on the loss's scale.",
        "s'y > eps y'y bounds the curvature by 1 / eps, s'y > eps s's from below by eps, both in the loss's units: "
        "multiply the loss by 10^4 and they refuse what they accepted. The cosine of s and y has no units, and "
        "|I - rho s y'| = 1 / cos is the factor by which a pair multiplies rounding.",
    ),
    _proposal(
        "ADAQN_PER_TENSOR",
        ADAQN_PER_TENSOR,
        "No curvature between tensors.",
        "Tensors of one network can differ in curvature by orders of magnitude, and in one memory the stiffest one "
        "decides for all whether a pair is admitted. A memory for each tensor judges its own part, at the same cost; "
        "what is given up is the curvature between tensors.",
    ),
    _proposal(
        "ADAQN_ROUNDED",
        ADAQN_ROUNDED,
        "Gradients stored in bfloat16.",
        "Of adaQN's 123 n numbers 100 n are stored gradients, which enter y through sums of a hundred terms only. "
        "bfloat16 halves them; that each gradient is rounded, by 2^-9 of an entry at most, and not y, keeps the matrix "
        "symmetric and s'y >= 0.",
    ),
    _proposal(
        "ADAQN_SKETCHED",
        ADAQN_SKETCHED,
        "Signed sums of 5 gradients.",
        "y needs sum g g', not each g: a sum z of gradients with independent random signs has E[z z'] = sum g g'. "
        "Twenty sums of five are unbiased for a hundred gradients at a fifth of the memory; the price is variance.",
    ),
    _proposal(
        "ADAQN_TRUST",
        ADAQN_TRUST,
        "|d| <= 1.",
        "A pair of too small curvature makes H g too long, and the guard sees it a window later. With |H g| bounded "
        "such a pair costs direction, not distance. The radius is in the parameters' units and wants tuning.",
    ),
)
