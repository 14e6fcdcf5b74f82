"""adaQN and its relatives as recipes of interchangeable parts, for PyTorch."""

from adaqn_lab import bases, guards, kernels, memory, pairs, scaling, steppers
from adaqn_lab.cadence import Cadence
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.direction import two_loop
from adaqn_lab.evaluating import evaluating
from adaqn_lab.events import Event, EventKind
from adaqn_lab.guards import *
from adaqn_lab.history import History
from adaqn_lab.memory import *
from adaqn_lab.memory_limits import bytes_needed
from adaqn_lab.optimizer import QuasiNewton
from adaqn_lab.pairs import *
from adaqn_lab.protocols import Displacement, Need, Pair, Sample, Step, Verdict
from adaqn_lab.recipe import Recipe, diff
from adaqn_lab.recipes import ADAQN, ADAQN_MINSQN, ADAQN_STOCHQN
from adaqn_lab.scaling import *
from adaqn_lab.space import Space
from adaqn_lab.steppers import *

__version__ = "0.2.0"

__all__ = [
    "ADAQN",
    "ADAQN_MINSQN",
    "ADAQN_STOCHQN",
    "Cadence",
    "Diagonal",
    "Displacement",
    "Event",
    "EventKind",
    "History",
    "Need",
    "Pair",
    "QuasiNewton",
    "Recipe",
    "Sample",
    "Space",
    "Step",
    "Verdict",
    "bases",
    "bytes_needed",
    "diff",
    "evaluating",
    "kernels",
    "two_loop",
]
# The parts: each package of a role names its own.
__all__ += guards.__all__
__all__ += memory.__all__
__all__ += pairs.__all__
__all__ += scaling.__all__
__all__ += steppers.__all__
