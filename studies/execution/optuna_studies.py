"""Studies and trials as Optuna knows them."""

from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState


def suggest(trial: Trial, name: str, distribution: object) -> Any:
    """Return what the trial's sampler proposes for a parameter, or what the trial was enqueued with."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    raise TypeError(f"{name} is {distribution}, which no study here proposes")


def take(study: optuna.Study, waiting: FrozenTrial) -> Trial | None:
    """Return the trial, now running, as ``study.ask()`` does with the first one; ``None`` where another was faster."""
    try:
        taken = study._storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    except UpdateFinishedTrialError:
        return None
    return Trial(study, waiting._trial_id) if taken else None


def open_study(storage: BaseStorage, name: str, objectives: int) -> tuple[optuna.Study, bool]:
    """Return the study and whether this call made it, to minimise so many objectives; with 0 it must exist."""
    # Not create_study(load_if_exists=True): on a journal that writes a record at every look.
    sampler = optuna.samplers.RandomSampler(seed=0)
    if objectives:
        try:
            directions = [StudyDirection.MINIMIZE] * objectives
            return optuna.create_study(study_name=name, storage=storage, sampler=sampler, directions=directions), True
        except DuplicatedStudyError:
            pass  # another command was faster
    return optuna.load_study(study_name=name, storage=storage, sampler=sampler), False
