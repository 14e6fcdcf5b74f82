"""adaQN and its relatives as recipes of interchangeable parts, for PyTorch."""

from adaqn_lab.cadence import Cadence
from adaqn_lab.direction import two_loop
from adaqn_lab.events import Event, EventKind
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.history import History
from adaqn_lab.memory import CautiousCosine, CautiousSS, CautiousYY, Window
from adaqn_lab.optimizer import QuasiNewton
from adaqn_lab.pairs import EmpiricalFisher, HessianVector, Mean, MeanTimesBatch, Sum
from adaqn_lab.protocols import Displacement, Need, Step, Verdict
from adaqn_lab.recipe import Recipe, diff
from adaqn_lab.recipes import ADAQN, ADAQN_MINSQN, ADAQN_STOCHQN
from adaqn_lab.scaling import AdaGrad, BarzilaiBorwein, Identity, RMSProp
from adaqn_lab.space import Space
from adaqn_lab.steppers import Plain

__version__ = "0.1.0"

__all__ = [
    "ADAQN",
    "ADAQN_MINSQN",
    "ADAQN_STOCHQN",
    "AdaGrad",
    "BarzilaiBorwein",
    "Cadence",
    "CautiousCosine",
    "CautiousSS",
    "CautiousYY",
    "Displacement",
    "EmpiricalFisher",
    "Event",
    "EventKind",
    "HessianVector",
    "History",
    "Identity",
    "Mean",
    "MeanTimesBatch",
    "MonitorIncrease",
    "Need",
    "Plain",
    "QuasiNewton",
    "RMSProp",
    "Recipe",
    "Space",
    "Step",
    "Sum",
    "Verdict",
    "Window",
    "diff",
    "two_loop",
]
