"""Studies and trials as Optuna knows them."""

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import Trial


def suggest(trial: Trial, name: str, distribution: object) -> None:
    """Let the trial's sampler propose a parameter, which becomes the trial's."""
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    elif isinstance(distribution, FloatDistribution):
        trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    else:
        raise TypeError(f"{name} is {distribution}, which no study here proposes")


def open_study(storage: BaseStorage, name: str, objectives: int) -> tuple[optuna.Study, bool]:
    """Return the study and whether this call made it, to minimise so many objectives; with 0 it must exist."""
    # Not create_study(load_if_exists=True): on a journal that writes a record at every look.
    sampler = optuna.samplers.RandomSampler(seed=0)
    if objectives and is_absent(storage, name):
        try:
            directions = [StudyDirection.MINIMIZE] * objectives
            return optuna.create_study(study_name=name, storage=storage, sampler=sampler, directions=directions), True
        except DuplicatedStudyError:
            pass  # another command was faster
    return optuna.load_study(study_name=name, storage=storage, sampler=sampler), False


def is_absent(storage: BaseStorage, name: str) -> bool:
    """Return whether the storage holds no study of that name."""
    return all(study.study_name != name for study in storage.get_all_studies())


def other_names(storage: BaseStorage, name: str) -> list[str]:
    """Return the names of the studies that a storage holds, empty when it holds the named one or none."""
    names = [study.study_name for study in storage.get_all_studies()]
    return [] if name in names else names
