"""Inner steppers: how do gradient and H become a step?"""

from adaqn_lab.steppers.clipped import Clipped
from adaqn_lab.steppers.decaying import Decaying
from adaqn_lab.steppers.gradient import Gradient
from adaqn_lab.steppers.gradient_average import GradientAverage
from adaqn_lab.steppers.momentum import Momentum
from adaqn_lab.steppers.nesterov import Nesterov
from adaqn_lab.steppers.normalised import Normalised
from adaqn_lab.steppers.plain import Plain
from adaqn_lab.steppers.plus_gradient import PlusGradient
from adaqn_lab.steppers.warm_start import WarmStart

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
