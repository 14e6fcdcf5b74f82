"""Memory policies: which pairs are admitted, repaired, evicted?"""

from adaqn_lab.memory.aggregated import AggregatedWindow
from adaqn_lab.memory.block_diagonal import BlockDiagonal
from adaqn_lab.memory.curvature_tests import CautiousCosine, CautiousSS, CautiousYY, CurvatureTest
from adaqn_lab.memory.dense import Dense
from adaqn_lab.memory.displacement_aggregation import DisplacementAggregation
from adaqn_lab.memory.regularised_dense import RegularisedDense
from adaqn_lab.memory.repaired import Repaired
from adaqn_lab.memory.repairs import LevenbergDamping, PowellB, PowellH, PowellScaled, Regularised, Repair, TauDamping
from adaqn_lab.memory.shifted import ShiftedWindow
from adaqn_lab.memory.soft_secant import SoftWindow
from adaqn_lab.memory.window import Window

__all__ = [
    "AggregatedWindow",
    "BlockDiagonal",
    "CautiousCosine",
    "CautiousSS",
    "CautiousYY",
    "CurvatureTest",
    "Dense",
    "DisplacementAggregation",
    "LevenbergDamping",
    "PowellB",
    "PowellH",
    "PowellScaled",
    "Regularised",
    "RegularisedDense",
    "Repair",
    "Repaired",
    "ShiftedWindow",
    "SoftWindow",
    "TauDamping",
    "Window",
]
