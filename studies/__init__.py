"""Studies: train real models with the optimizers of `adaqn_lab` and compare them.

``python -m studies ablate`` runs the comparison; the parts below serve other programs.
"""

from studies.analysis.summary import Row, Summary, summarise
from studies.errors import InputError
from studies.execution.run import run
from studies.execution.snapshot import Record
from studies.execution.store import Store
from studies.planning.budget import BUDGETS, Budget
from studies.planning.experiment import Experiment
from studies.planning.plan import Cell, Phase, Plan
from studies.training.loop import train, train_many
from studies.training.outcome import Outcome, Point
from studies.training.schedule import Schedule
from studies.variants.variant import Variant

__all__ = [
    "BUDGETS",
    "Budget",
    "Cell",
    "Experiment",
    "InputError",
    "Outcome",
    "Phase",
    "Plan",
    "Point",
    "Record",
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
