"""Scaling initializers: what is H0?"""

from adaqn_lab.scaling.adagrad import AdaGrad
from adaqn_lab.scaling.barzilai_borwein import BarzilaiBorwein
from adaqn_lab.scaling.barzilai_borwein_mean import BarzilaiBorweinMean
from adaqn_lab.scaling.bias_corrected_rmsprop import BiasCorrectedRMSProp
from adaqn_lab.scaling.clipped_barzilai_borwein import ClippedBarzilaiBorwein
from adaqn_lab.scaling.constant import Constant
from adaqn_lab.scaling.identity import Identity
from adaqn_lab.scaling.rmsprop import RMSProp

__all__ = [
    "AdaGrad",
    "BarzilaiBorwein",
    "BarzilaiBorweinMean",
    "BiasCorrectedRMSProp",
    "ClippedBarzilaiBorwein",
    "Constant",
    "Identity",
    "RMSProp",
]
