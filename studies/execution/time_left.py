"""How long a study will still take, from the cells that it has finished."""

from collections import Counter
from datetime import datetime
from statistics import fmean

from optuna.trial import FrozenTrial, TrialState

from studies.execution.snapshot import Snapshot, cell_of
from studies.planning.study import Study


def seconds_left(study: Study, snapshot: Snapshot, left: Counter[str], now: datetime) -> float | None:
    """Return the seconds until the study's end, ``None`` before the first cell is finished.

    ``left`` counts the cells without a result by group; a cell is taken to last as long as its group's finished ones
    did on average, as all finished ones where its group has none. What runs already has that much less to do. The sum
    is shared by the workers that are at work.
    """
    lasted: dict[str, list[float]] = {}
    for trial in snapshot.having(TrialState.COMPLETE):
        if "cell" in trial.user_attrs and trial.datetime_start and trial.datetime_complete:
            seconds = (trial.datetime_complete - trial.datetime_start).total_seconds()
            lasted.setdefault(study.group(cell_of(trial)), []).append(seconds / study.side_by_side)
    if not lasted:
        return None
    means = {group: fmean(found) for group, found in lasted.items()}
    overall = fmean(means.values())
    work = sum(count * means.get(group, overall) for group, count in left.items())
    running = [trial for trial in snapshot.having(TrialState.RUNNING) if "worker" in trial.user_attrs]
    for trial in running:
        mean = means.get(study.group(cell_of(trial)), overall)
        work -= min(_age(trial, now) / study.side_by_side, mean)
    return max(work, 0.0) / max(1, len({trial.user_attrs["worker"] for trial in running}))


def _age(trial: FrozenTrial, now: datetime) -> float:
    return max(0.0, (now - trial.datetime_start).total_seconds()) if trial.datetime_start else 0.0
