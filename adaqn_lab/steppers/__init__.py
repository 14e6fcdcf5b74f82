"""Inner steppers: how do gradient and H become a step?"""

from adaqn_lab.steppers.lengths import Clipped, Decaying, Normalised, PlusGradient, WarmStart
from adaqn_lab.steppers.momentum import GradientAverage, Momentum
from adaqn_lab.steppers.nesterov import Nesterov
from adaqn_lab.steppers.plain import Gradient, Plain

__all__ = [
    "Clipped",
    "Decaying",
    "Gradient",
    "GradientAverage",
    "Momentum",
    "Nesterov",
    "Normalised",
    "Plain",
    "PlusGradient",
    "WarmStart",
]
