"""What a worker does with a trial that it has claimed: a run, or the runs of one proposal of a search."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.trial import Trial

from studies.experiment import Experiment
from studies.look import about, value_of
from studies.plan import Cell
from studies.provenance import environment
from studies.store import Store, cell_of
from studies.training import train

Cancelled = Callable[[], bool]
"""Asked before every step: whether to stop there."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a trial is finished with: its value or values, its attributes, and a loss to show, if there is one."""

    value: float | list[float]
    about: dict[str, Any]
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Work:
    """A claimed trial as work: a name and a number of steps to show, and how to do it."""

    name: str
    steps: int
    do: Callable[[Cancelled], Told]


class Job(Protocol):
    """How the trials of a study become work."""

    def work(self, trial: Trial) -> Work:
        """Return the trial's work; may suggest its parameters."""
        ...


class CellJob:
    """The trials of an ablation: one cell each."""

    def __init__(self, store: Store, experiment: Experiment) -> None:
        self._store, self._experiment = store, experiment

    def work(self, trial: Trial) -> Work:
        """Return the training of the trial's cell."""
        cell = cell_of(trial, list(self._store.attributes["configuration"]["variants"]))
        return Work(
            name=cell.key,
            steps=self._experiment.schedule.steps,
            do=lambda cancelled: self._train(cell, cancelled),
        )

    def _train(self, cell: Cell, cancelled: Cancelled) -> Told:
        variant = self._experiment.chosen[cell.variant]
        outcome = train(
            variant,
            cell.lr,
            cell.seed,
            task=self._experiment.task,
            architecture=self._experiment.architecture,
            schedule=self._experiment.schedule,
            cancelled=cancelled,
        )
        attributes = about(outcome, repr(variant.method), environment())
        return Told(value=value_of(outcome), about=attributes, loss=outcome.validation_loss)
