"""How should g and H become a step?"""

from collections.abc import Mapping

from adaqn_lab import Clipped, GradientAverage, Momentum, Nesterov, Normalised, Plain, WarmStart
from studies.variants.factor import Factor, Level, role


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return -H g itself, with momentum in three forms, with a bound on its length, and with a warm start."""
    return {
        "plain": role(stepper=Plain()),
        "momentum": Level(role(stepper=Momentum(momentum=0.9)).change, centre=0.02),
        "Nesterov": Level(role(stepper=Nesterov(momentum=0.9)).change, centre=0.02),
        "gradient-average": role(stepper=GradientAverage(decay=0.9)),
        "clipped": Level(role(stepper=Clipped(radius=1.0)).change, centre=0.3),
        "normalised": role(stepper=Normalised()),
        "warm-start": role(stepper=WarmStart(steps=100)),
    }


STEPPER = Factor(
    name="stepper",
    question="Does adaQN gain from momentum, from a bound on its steps, or from a warm start?",
    levels=levels,
)
