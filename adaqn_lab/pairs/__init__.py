"""Pair generators: for a displacement s, what is y?"""

from adaqn_lab.pairs.averaged_difference import AveragedDifference
from adaqn_lab.pairs.centred_fisher import CentredFisher
from adaqn_lab.pairs.empirical_fisher import EmpiricalFisher
from adaqn_lab.pairs.gauss_newton import GaussNewton
from adaqn_lab.pairs.gradient_difference import GradientDifference
from adaqn_lab.pairs.hessian_difference import HessianDifference
from adaqn_lab.pairs.hessian_vector import HessianVector
from adaqn_lab.pairs.host_fisher import HostFisher
from adaqn_lab.pairs.look_ahead import LookAheadDifference
from adaqn_lab.pairs.normalisation import Mean, MeanTimesBatch, Normalisation, Sum
from adaqn_lab.pairs.sampled_hessian import SampledHessian
from adaqn_lab.pairs.sketched_fisher import SketchedFisher

__all__ = [
    "AveragedDifference",
    "CentredFisher",
    "EmpiricalFisher",
    "GaussNewton",
    "GradientDifference",
    "HessianDifference",
    "HessianVector",
    "HostFisher",
    "LookAheadDifference",
    "Mean",
    "MeanTimesBatch",
    "Normalisation",
    "SampledHessian",
    "SketchedFisher",
    "Sum",
]
