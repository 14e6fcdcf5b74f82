"""Curvature of a real run: are these pairs sound, and do they tell the curvature of the loss?"""

from verification.curvature.check import PairsReport, check_pairs

__all__ = ["PairsReport", "check_pairs"]
