"""Studies: train real models with the optimizers of `adaqn_lab` and compare them.

``python -m studies ablate`` runs the comparison; the parts below serve other programs.
"""

from studies.experiment import Experiment
from studies.look import Record
from studies.plan import BUDGETS, Budget, Cell, Phase, Plan
from studies.refusal import Refusal
from studies.run import run
from studies.store import Store
from studies.summary import Row, Summary, summarise
from studies.training import Outcome, Point, Schedule, train, train_many
from studies.variants import Variant

__all__ = [
    "BUDGETS",
    "Budget",
    "Cell",
    "Experiment",
    "Outcome",
    "Phase",
    "Plan",
    "Point",
    "Record",
    "Refusal",
    "Row",
    "Schedule",
    "Store",
    "Summary",
    "Variant",
    "run",
    "summarise",
    "train",
    "train_many",
]
