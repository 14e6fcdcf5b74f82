"""Memory policies: which pairs are admitted, repaired, evicted?"""

from adaqn_lab.memory.curvature_tests import CautiousCosine, CautiousSS, CautiousYY, CurvatureTest
from adaqn_lab.memory.window import Window

__all__ = ["CautiousCosine", "CautiousSS", "CautiousYY", "CurvatureTest", "Window"]
