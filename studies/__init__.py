"""Studies: train real models with the optimizers of `adaqn_lab` and compare them.

``python -m studies ablate`` runs the comparison; the parts below serve other programs, and are imported from here.

A study: `Experiment`, `Budget`, `BUDGETS`, `Variant`, `Study`. Where it is kept, and running it: `Store`, `run`. What
it found: `summarise`, `Summary`, `Row`. Its plan and its runs: `Plan`, `Phase`, `Run`, `Record`, `Cell`, `Result`,
`record_of`. One run: `train`, `train_many`, `Schedule`, `Outcome`, `Point`. What is refused: `InputError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.analysis.row import Row as Row
    from studies.analysis.summary import Summary as Summary
    from studies.analysis.summary import summarise as summarise
    from studies.errors import InputError as InputError
    from studies.execution.run import run as run
    from studies.execution.store import Store as Store
    from studies.planning.budget import BUDGETS as BUDGETS
    from studies.planning.budget import Budget as Budget
    from studies.planning.experiment import Experiment as Experiment
    from studies.planning.plan import Phase as Phase
    from studies.planning.plan import Plan as Plan
    from studies.planning.plan import Run as Run
    from studies.planning.record import Record as Record
    from studies.planning.record import record_of as record_of
    from studies.planning.study import Cell as Cell
    from studies.planning.study import Result as Result
    from studies.planning.study import Study as Study
    from studies.training.loop import train as train
    from studies.training.loop import train_many as train_many
    from studies.training.outcome import Outcome as Outcome
    from studies.training.outcome import Point as Point
    from studies.training.schedule import Schedule as Schedule
    from studies.variants.variant import Variant as Variant

_PLACES = {
    "analysis.row": ("Row",),
    "analysis.summary": ("Summary", "summarise"),
    "errors": ("InputError",),
    "execution.run": ("run",),
    "execution.store": ("Store",),
    "planning.budget": ("BUDGETS", "Budget"),
    "planning.experiment": ("Experiment",),
    "planning.plan": ("Phase", "Plan", "Run"),
    "planning.record": ("Record", "record_of"),
    "planning.study": ("Cell", "Result", "Study"),
    "training.loop": ("train", "train_many"),
    "training.outcome": ("Outcome", "Point"),
    "training.schedule": ("Schedule",),
    "variants.variant": ("Variant",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line's --help must not wait for torch.
    if name not in _MODULES:
        raise AttributeError(f"module 'studies' has no attribute {name!r}")
    return getattr(import_module(f"studies.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
