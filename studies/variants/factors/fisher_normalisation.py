"""By what must the sum over the stored gradients be divided?"""

from collections.abc import Mapping

from adaqn_lab import Mean, MeanTimesBatch, Sum
from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return 1/|F| (the published form), no division (the authors' code), B/|F| (the second moment per example)."""
    return {
        "Fisher-mean": within("pairs", normalisation=Mean()),
        "Fisher-sum": Level(within("pairs", normalisation=Sum()).change, centre=0.3),
        "Fisher-batch": Level(within("pairs", normalisation=MeanTimesBatch(batch_size=batch_size)).change, centre=0.2),
    }


FISHER_NORMALISATION = Factor(
    name="fisher-normalisation",
    question="Does it matter by what the accumulated Fisher matrix is divided?",
    levels=levels,
)
