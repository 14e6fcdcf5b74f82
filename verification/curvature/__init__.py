"""Curvature of a real run: are these pairs sound, and do they tell the curvature of the loss?"""

from verification.curvature.auditing import Audit, audit
from verification.curvature.check import PairsReport, check_pairs
from verification.curvature.pair_files import held_pairs, read_pairs

__all__ = ["Audit", "PairsReport", "audit", "check_pairs", "held_pairs", "read_pairs"]
