"""Which pairs may enter?"""

from collections.abc import Mapping

from adaqn_lab import CautiousCosine, CautiousSS, CautiousYY
from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return s'y > eps y'y (the authors' code), s'y > eps s's (stochQN), the scale-free test, and s'y > 0."""
    return {
        "test-yy": within("memory", test=CautiousYY(eps=1e-4)),
        "test-yy-strict": within("memory", test=CautiousYY(eps=1e-2)),
        "test-ss": within("memory", test=CautiousSS(eps=1e-4)),
        "test-cosine": within("memory", test=CautiousCosine(eps=1e-4)),
        "test-cosine-strict": within("memory", test=CautiousCosine(eps=1e-1)),
        "every-pair": within("memory", test=CautiousSS(eps=0.0)),
    }


CURVATURE_TEST = Factor(
    name="curvature-test",
    question="Does it matter which test a pair must pass before it enters the memory?",
    levels=levels,
)
