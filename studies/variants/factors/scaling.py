"""What should H0 be?"""

from collections.abc import Mapping

from adaqn_lab import AdaGrad, BarzilaiBorwein, BiasCorrectedRMSProp, ClippedBarzilaiBorwein, Identity, RMSProp
from studies.variants.factor import Factor, Level, role


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return the initial matrices: diagonal ones from squared gradients, multiples of the identity, the identity."""
    return {
        "AdaGrad": role(scaling=AdaGrad(eps=1e-4)),
        "RMSProp": Level(role(scaling=RMSProp()).change, centre=0.03),
        "Adam-scaling": Level(role(scaling=BiasCorrectedRMSProp()).change, centre=0.01),
        "BarzilaiBorwein": Level(role(scaling=BarzilaiBorwein()).change, centre=0.01),
        "clipped-BarzilaiBorwein": Level(role(scaling=ClippedBarzilaiBorwein()).change, centre=0.03),
        "identity": Level(role(scaling=Identity()).change, centre=0.3),
    }


SCALING = Factor(
    name="scaling",
    question="Does adaQN need its AdaGrad-like initial matrix H0, or does another one do as well or better?",
    levels=levels,
)
