"""For a displacement s, what should y be?"""

from collections.abc import Mapping

from adaqn_lab import (
    EmpiricalFisher,
    GaussNewton,
    GradientDifference,
    HessianDifference,
    HessianVector,
    Recipe,
)
from studies.variants.factor import Factor, Level, role


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return the sources of curvature; ``Fisher`` is ADAQN's own, ``no-pairs`` takes none at all.

    On the curvature batch: products with the Hessian, Gauss-Newton products, and differences of gradients close by. On
    the mini-batch: the difference of its gradients. Products along random directions (``ADAQN-sampled-Hessian``) take
    five times as long as the others and run when they are named.
    """
    return {
        "Fisher": Level(_with_fisher),
        "no-pairs": Level(lambda recipe: recipe.but(pairs=None), centre=0.3),
        "batch-difference": role(pairs=GradientDifference()),
        "Hessian-vector": role(pairs=HessianVector()),
        "Hessian-difference": role(pairs=HessianDifference()),
        "Gauss-Newton": role(pairs=GaussNewton()),
    }


def _with_fisher(recipe: Recipe) -> Recipe:
    # A base that has a Fisher store keeps its own.
    return recipe if isinstance(recipe.pairs, EmpiricalFisher) else recipe.but(pairs=EmpiricalFisher())


PAIR_GENERATOR = Factor(
    name="pair-generator",
    question="Is the empirical Fisher matrix the right source of curvature, or is another one, or none, better?",
    levels=levels,
)
