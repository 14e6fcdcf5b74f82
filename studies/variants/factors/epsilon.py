"""How large should the eps of H0 be?"""

from collections.abc import Mapping

from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return eps under the root of H0 = 1 / sqrt(G + eps), down to where it only guards against a division by zero."""
    return {f"eps-{eps:.0e}": within("scaling", eps=eps) for eps in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)}


EPSILON = Factor(
    name="epsilon",
    question="How large should the eps in adaQN's initial matrix H0 = 1 / sqrt(G + eps) be?",
    levels=levels,
)
