"""How long should a window be?"""

from collections.abc import Mapping

from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return windows of L steps around 20."""
    return {f"window-{steps}": within("cadence", every=steps) for steps in (5, 10, 20, 40, 80)}


WINDOW = Factor(
    name="window",
    question="Over how many steps L should iterates be averaged before a pair is made?",
    levels=levels,
)
