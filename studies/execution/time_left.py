"""How long a study will still take, from the cells that it has finished and those under way."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from heapq import heapreplace
from statistics import fmean

from optuna.trial import FrozenTrial, TrialState

from studies.execution.snapshot import AT_ONCE, Snapshot, cell_of
from studies.planning.study import Study


def seconds_left(study: Study, snapshot: Snapshot, left: Counter[str], now: datetime) -> float | None:
    """Return the seconds until the study's end, ``None`` before anything is known.

    ``left`` counts the cells without a result by group. A cell is taken to last as long as its group's finished ones
    did on average; where its group has none, as long as one under way will by the steps that it has done, else as long
    as the finished ones of all groups. The workers at work take these cells in turns, as they will.
    """
    running = [trial for trial in snapshot.having(TrialState.RUNNING) if "worker" in trial.user_attrs]
    means = _lasting(study, snapshot, running, now)
    if not means:
        return None
    overall, left = fmean(means.values()), left.copy()
    busy: dict[str, float] = {}
    for trial in running:
        group = study.pace(cell_of(trial))
        rest = max(means.get(group, overall) * _at_once(trial) - _age(trial, now), 0.0)
        busy[trial.user_attrs["worker"]] = max(rest, busy.get(trial.user_attrs["worker"], 0.0))
        left[group] -= 1
    free = sorted(busy.values()) or [0.0]
    for group in _in_turns(left):
        heapreplace(free, free[0] + means.get(group, overall))
    return max(free)


def _in_turns(left: Counter[str]) -> Iterator[str]:
    """Yield every group as often as it counts, the groups taking turns."""
    for turn in range(max(left.values(), default=0)):
        yield from (group for group, count in left.items() if count > turn)


def _lasting(study: Study, snapshot: Snapshot, running: list[FrozenTrial], now: datetime) -> dict[str, float]:
    """Return how many seconds a cell of each group lasts, as far as is known; of cells done at once each its share."""
    lasted: dict[str, list[float]] = {}
    for trial in snapshot.having(TrialState.COMPLETE):
        if "cell" in trial.user_attrs and trial.datetime_start and trial.datetime_complete:
            seconds = (trial.datetime_complete - trial.datetime_start).total_seconds() / _at_once(trial)
            lasted.setdefault(study.pace(cell_of(trial)), []).append(seconds)
    means = {group: fmean(found) for group, found in lasted.items()}
    for trial in running:
        cell, steps = cell_of(trial), trial.user_attrs.get("beat", [0, 0])[1]
        if steps and study.pace(cell) not in means:
            means[study.pace(cell)] = _age(trial, now) * study.steps_of(cell) / steps / _at_once(trial)
    return means


def _at_once(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(AT_ONCE, 1))


def _age(trial: FrozenTrial, now: datetime) -> float:
    return max(0.0, (now - trial.datetime_start).total_seconds()) if trial.datetime_start else 0.0
