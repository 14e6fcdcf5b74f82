"""What a worker does with trials that it has claimed: runs, or the runs of one proposal of a search."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from studies.execution.provenance import environment
from studies.execution.snapshot import about, value_of
from studies.execution.store import Store, cell_of
from studies.planning.experiment import Experiment
from studies.planning.plan import Cell
from studies.training.loop import train_many

Cancelled = Callable[[], bool]
"""Asked before every step: whether to stop there."""


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What a trial is finished with: its value or values, its attributes, and a loss to show, if there is one."""

    value: float | list[float]
    about: dict[str, Any]
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Work:
    """Claimed trials as work: a name and a number of steps to show, and how to do it, with an end for each trial.

    ``alone``: the same trials one by one, for when doing them together fails; empty for one trial.
    """

    trials: tuple[Trial, ...]
    name: str
    steps: int
    do: Callable[[Cancelled], list[TrialResult]]
    alone: tuple["Work", ...] = ()


class Job(Protocol):
    """How the trials of a study become work."""

    @property
    def at_once(self) -> int:
        """How many trials a worker may claim at once."""
        ...

    def works(self, trials: Sequence[Trial]) -> list[Work]:
        """Return the trials' work; may suggest their parameters. Trials that others have finished are left out."""
        ...


class CellJob:
    """The trials of an ablation: one cell each, those of one variant side by side."""

    def __init__(self, store: Store, experiment: Experiment) -> None:
        self._store, self._experiment = store, experiment

    @property
    def at_once(self) -> int:
        """As many as the experiment trains side by side."""
        return self._experiment.side_by_side

    def works(self, trials: Sequence[Trial]) -> list[Work]:
        """Return the training of the trials' cells, by variant."""
        variants = list(self._store.attributes["configuration"]["variants"])
        groups: dict[str, list[tuple[Trial, Cell]]] = {}
        for trial in trials:
            try:
                cell = cell_of(trial, variants)
            except UpdateFinishedTrialError:
                continue  # this process slept, and the study gave it up before its first step
            groups.setdefault(cell.variant, []).append((trial, cell))
        return [self._work(group) for group in groups.values()]

    def _work(self, group: Sequence[tuple[Trial, Cell]]) -> Work:
        trials, cells = zip(*group, strict=True)
        many = len(cells) > 1
        return Work(
            trials=trials,
            name=f"{len(cells)} runs of {cells[0].variant}" if many else cells[0].key,
            steps=self._experiment.schedule.steps,
            do=lambda cancelled: self._train(cells, cancelled),
            alone=tuple(self._work([each]) for each in group) if many else (),
        )

    def _train(self, cells: Sequence[Cell], cancelled: Cancelled) -> list[TrialResult]:
        variant = self._experiment.chosen[cells[0].variant]
        outcomes = train_many(
            variant,
            [(cell.lr, cell.seed) for cell in cells],
            task=self._experiment.task,
            architecture=self._experiment.architecture,
            schedule=self._experiment.schedule,
            cancelled=cancelled,
        )
        return [
            TrialResult(
                value=value_of(outcome),
                about=about(outcome, repr(variant.method), environment()),
                loss=outcome.validation_loss,
            )
            for outcome in outcomes
        ]
