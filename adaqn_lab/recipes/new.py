"""Proposals: what might make adaQN better, one change each."""

from __future__ import annotations

from adaqn_lab.memory import BlockDiagonal, CautiousCosine, CautiousSS, CautiousYY, Window
from adaqn_lab.pairs import CentredFisher, EmpiricalFisher, GaussNewton, MeanTimesBatch, RoundedFisher, SketchedFisher
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes.keskar2016_adaqn import ADAQN
from adaqn_lab.recipes.named import Evidence, Named
from adaqn_lab.scaling import BiasCorrectedRMSProp
from adaqn_lab.steppers import Clipped


def adaqn_rescaled(batch_size: int) -> Recipe:
    """adaQN with y multiplied by the batch size, and s'y > 0 as its only test.

    E[g g'] = grad grad' + Cov / B for mini-batches of B examples: the mean over stored gradients underestimates the
    Fisher matrix about B times near stationarity, steps along stored directions come out B times too long, and the
    guard throws the pairs away. Raises ``ValueError`` or ``TypeError`` for ``batch_size`` < 1.
    """
    return ADAQN.but(
        pairs=EmpiricalFisher(normalisation=MeanTimesBatch(batch_size=batch_size)),
        memory=Window(test=CautiousSS(eps=0.0)),
    )


ADAQN_RESCALED = adaqn_rescaled(50)
"""The rescaled Fisher matrix for batches of 50 examples; :func:`adaqn_rescaled` for others."""


def adaqn_centred(batch_size: int) -> Recipe:
    """:func:`adaqn_rescaled` with only the gradients' noise multiplied by the batch size, not their mean.

    The mean of B examples' gradients is the gradient, whatever B: multiplying its part of the second moment by B, too,
    overestimates the curvature along the gradient where that is large against the noise, early in training.
    Raises ``ValueError`` or ``TypeError`` for ``batch_size`` < 1.
    """
    return adaqn_rescaled(batch_size).but(pairs=CentredFisher(batch_size=batch_size))


ADAQN_CENTRED = adaqn_centred(50)
"""Mean and noise of the gradients told apart, for batches of 50 examples; :func:`adaqn_centred` for others."""

ADAQN_GAUSS_NEWTON = ADAQN.but(pairs=GaussNewton())
"""adaQN with generalised Gauss-Newton pairs: curvature of the loss itself in its own units, still s'y >= 0.

The Fisher pairs scale with the square of the loss and need a hundred gradients; these scale with the loss, need none,
and cost one extra backward pass or three on a curvature batch a window.
"""

ADAQN_ADAM = ADAQN.but(scaling=BiasCorrectedRMSProp())
"""adaQN around Adam's bias-corrected H0: AdaGrad's H0 only shrinks, which a long non-convex run may outgrow."""

ADAQN_COSINE = ADAQN.but(memory=Window(test=CautiousCosine(eps=1e-4)))
"""adaQN with the scale-free test: the two published tests change their meaning with the scale of the loss."""

ADAQN_PER_TENSOR = ADAQN.but(memory=BlockDiagonal(of=Window(test=CautiousYY(eps=1e-4))))
"""adaQN with a memory for each parameter tensor: tensors of very different curvature judge their pairs alone."""

ADAQN_ROUNDED = ADAQN.but(pairs=RoundedFisher(window=100))
"""adaQN with its gradients stored in bfloat16: half of its largest store, pairs off by at most 2^-8 an entry."""

ADAQN_SKETCHED = ADAQN.but(pairs=SketchedFisher(rows=20, group=5))
"""adaQN with 20 signed sums of 5 gradients in place of 100 gradients: unbiased, a fifth of the store, more variance."""

ADAQN_TRUST = ADAQN.but(stepper=Clipped(radius=1.0))
"""adaQN with a bound on the length of H g: a pair of too small curvature then costs direction, not distance."""

_NOTES: tuple[tuple[str, Recipe, str], ...] = (
    ("ADAQN_RESCALED", ADAQN_RESCALED, "y times the batch size, here 50."),
    ("ADAQN_CENTRED", ADAQN_CENTRED, "The covariance times the batch size, here 50, the mean as it is."),
    ("ADAQN_GAUSS_NEWTON", ADAQN_GAUSS_NEWTON, "Curvature in the loss's own units."),
    ("ADAQN_ADAM", ADAQN_ADAM, "H0 may grow again."),
    ("ADAQN_COSINE", ADAQN_COSINE, "The test does not depend on the loss's scale."),
    ("ADAQN_PER_TENSOR", ADAQN_PER_TENSOR, "No curvature between tensors."),
    ("ADAQN_ROUNDED", ADAQN_ROUNDED, "Gradients stored in bfloat16."),
    ("ADAQN_SKETCHED", ADAQN_SKETCHED, "Signed sums of 5 gradients."),
    ("ADAQN_TRUST", ADAQN_TRUST, "|d| <= 1."),
)
METHODS = tuple(
    Named(name=name, recipe=recipe, citation="Keskar & Berahas 2016, changed", evidence=(Evidence.PROPOSAL,), note=note)
    for name, recipe, note in _NOTES
)
