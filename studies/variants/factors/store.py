"""How many gradients should the Fisher matrix be made of?"""

from collections.abc import Mapping

from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return stores m_F around the published 100 gradients. What a store costs less: `fisher_store`."""
    return {f"store-{m}": within("pairs", window=m) for m in (5, 20, 50, 100, 200)}


STORE = Factor(
    name="store",
    question="How many gradients m_F must the accumulated Fisher matrix hold?",
    levels=levels,
)
