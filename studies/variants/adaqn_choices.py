"""Which of adaQN's choices matter? One field of `ADAQN` changed at a time.

The learning rates are centres of grids, placed by a pilot study on the default task with seeds that no study uses
(`studies.planning.plan`): a step of H0 alone and a step with well-scaled pairs want a larger rate than one with pairs
that underestimate the curvature.
"""

from adaqn_lab import (
    ADAQN,
    BarzilaiBorwein,
    EmpiricalFisher,
    MeanTimesBatch,
    RMSProp,
    Sum,
)
from studies.variants.variant import Variant


def adaqn_choices(batch_size: int) -> tuple[Variant, ...]:
    """Return `ADAQN` and its one-field variants; ``batch_size`` is the task's, for `MeanTimesBatch`."""
    fisher_sum = EmpiricalFisher(window=100, normalisation=Sum())
    fisher_batch = EmpiricalFisher(window=100, normalisation=MeanTimesBatch(batch_size=batch_size))
    return (
        Variant(name="ADAQN", method=ADAQN, centre=0.1),
        Variant(name="ADAQN-RMSProp", method=ADAQN.but(scaling=RMSProp()), centre=0.03),
        Variant(name="ADAQN-BarzilaiBorwein", method=ADAQN.but(scaling=BarzilaiBorwein()), centre=0.01),
        Variant(name="ADAQN-no-guard", method=ADAQN.but(guard=None), centre=0.03),
        Variant(name="ADAQN-Fisher-sum", method=ADAQN.but(pairs=fisher_sum), centre=0.3),
        Variant(name="ADAQN-Fisher-batch", method=ADAQN.but(pairs=fisher_batch), centre=0.2),
        Variant(name="ADAQN-no-pairs", method=ADAQN.but(pairs=None), centre=0.3),
    )
