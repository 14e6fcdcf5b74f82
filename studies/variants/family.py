"""Which of the family's methods for non-convex problems learns best? Recipes of `adaqn_lab.recipes`, by their names,
and adaQN with pairs from random directions, ten Hessian products for each window.

They run when they are named only. The learning rates are centres of grids, not placed by a pilot study: where the
table marks a best rate as the edge of its grid, ``--lr`` looks further.
"""

from adaqn_lab import ADAQN, SampledHessian, recipes
from studies.variants.variant import Variant

CENTRES = {
    "ADAQN_GAUSS_NEWTON": 0.1,
    "ADAQN_ADAM": 0.01,
    "ADAQN_COSINE": 0.1,
    "ADAQN_PER_TENSOR": 0.1,
    "ADAQN_ROUNDED": 0.1,
    "ADAQN_SKETCHED": 0.1,
    "ADAQN_TRUST": 0.3,
    "ASNAQ": 0.1,
    "SDLBFGS": 1.0,
    "MLBFGS": 0.3,
    "MULTIBATCH_LBFGS": 0.03,
    "DOUBLE_DAMPED": 0.3,
    "SQN_BY_DIFFERENCE": 0.1,
}


def family(batch_size: int) -> tuple[Variant, ...]:
    """Return the variants; ``batch_size`` is the task's, for the rescaled Fisher matrices."""
    rescaled = Variant(name="ADAQN_RESCALED", method=recipes.adaqn_rescaled(batch_size), centre=0.2)
    centred = Variant(name="ADAQN_CENTRED", method=recipes.adaqn_centred(batch_size), centre=0.2)
    sampled = Variant(name="ADAQN-sampled-Hessian", method=ADAQN.but(pairs=SampledHessian()), centre=0.1)
    known = {named.name: named.recipe for named in recipes.ALL}
    return (
        rescaled,
        centred,
        sampled,
        *(Variant(name=name, method=known[name], centre=lr) for name, lr in CENTRES.items()),
    )
