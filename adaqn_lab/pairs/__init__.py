"""Pair generators: for a displacement s, what is y?"""

from adaqn_lab.pairs.empirical_fisher import EmpiricalFisher
from adaqn_lab.pairs.hessian_vector import HessianVector
from adaqn_lab.pairs.normalisation import Mean, MeanTimesBatch, Normalisation, Sum

__all__ = ["EmpiricalFisher", "HessianVector", "Mean", "MeanTimesBatch", "Normalisation", "Sum"]
