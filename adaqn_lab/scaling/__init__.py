"""Scaling initializers: what is H0?"""

from adaqn_lab.scaling.adagrad import AdaGrad
from adaqn_lab.scaling.barzilai_borwein import BarzilaiBorwein
from adaqn_lab.scaling.identity import Identity
from adaqn_lab.scaling.rmsprop import RMSProp

__all__ = ["AdaGrad", "BarzilaiBorwein", "Identity", "RMSProp"]
