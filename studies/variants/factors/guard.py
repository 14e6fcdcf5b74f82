"""Is the roll-back needed?"""

from collections.abc import Mapping

from adaqn_lab import MonitorIncrease
from studies.variants.factor import Factor, Level, role


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return guards from none to one that bears no increase, and one that keeps F on a roll-back."""
    return {
        "guard-1.01": role(guard=MonitorIncrease(at_most=1.01)),
        "no-guard": Level(role(guard=None).change, centre=0.03),
        "guard-1.0": role(guard=MonitorIncrease(at_most=1.0)),
        "guard-1.1": role(guard=MonitorIncrease(at_most=1.1)),
        "guard-keeps-F": role(guard=MonitorIncrease(at_most=1.01, clear_store=False)),
    }


GUARD = Factor(
    name="guard",
    question="Does adaQN need to watch a monitor loss and roll back, and how strict must the guard be?",
    levels=levels,
)
