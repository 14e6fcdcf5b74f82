"""How many pairs should the memory hold?"""

from collections.abc import Mapping

from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return capacities m_L around the published 10; with 0 pairs H is H0, while the windows go on."""
    return {f"memory-{m}": within("memory", capacity=m) for m in (0, 2, 5, 10, 20, 40)}


CAPACITY = Factor(
    name="capacity",
    question="How many pairs m_L must adaQN remember: do more of them help?",
    levels=levels,
)
