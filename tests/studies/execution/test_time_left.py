"""The time left is right within a factor of 1.5 after the first tenth, however unlike the variants are."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from studies.execution.snapshot import Snapshot
from studies.execution.time_left import seconds_left
from studies.planning.study import Cell, Study, in_turns

START = datetime(2026, 1, 1)
STEPS = 100


class Costs(Study):
    """A study whose cells last as long as their group says, give or take a third."""

    kind = "costs"

    def __init__(self, seconds: Mapping[str, float], each: int) -> None:
        names = [f"{name} {number}" for name in seconds for number in range(each)]
        self.seconds = seconds
        self.order = in_turns(self, [Cell(name, {"group": name.split()[0]}) for name in names])

    def group(self, cell: Cell) -> str:
        return str(cell.parameters["group"])

    def steps_of(self, cell: Cell) -> int:
        return STEPS

    def proposed(self) -> Mapping[str, BaseDistribution]:
        return {}

    def configuration(self) -> dict[str, Any]:
        raise NotImplementedError

    cells = remaining = do = values = grown_from = configuration  # type: ignore[assignment]


def trial(
    number: int, cell: Cell, state: TrialState, begin: float, end: float | None, worker: int, now: float
) -> FrozenTrial:
    told: dict[str, Any] = {"cell": cell.key, "parameters": dict(cell.parameters), "worker": f"host:{worker}:1"}
    return FrozenTrial(
        number=number, trial_id=number, state=state, value=1.0 if state == TrialState.COMPLETE else None,
        datetime_start=START + timedelta(seconds=begin),
        datetime_complete=None if end is None else START + timedelta(seconds=end),
        params={}, distributions={}, user_attrs=told, system_attrs={}, intermediate_values={},
    )  # fmt: skip


def told(study: Costs, workers: int, share: float, draw: random.Random) -> tuple[float, float]:
    """The estimate when that share of the cells is finished, and the truth."""
    free, spans = [0.0] * workers, []
    for cell in study.order:
        place = min(range(workers), key=free.__getitem__)
        begin = free[place]
        free[place] = begin + study.seconds[study.group(cell)] * draw.uniform(0.67, 1.33)
        spans.append((cell, begin, free[place], place))
    now = sorted(end for *_, end, _ in spans)[int(share * len(spans))]
    trials, left = [], Counter[str]()
    for number, (cell, begin, end, place) in enumerate(spans):
        if end <= now:
            trials.append(trial(number, cell, TrialState.COMPLETE, begin, end, place, now))
            continue
        left[study.group(cell)] += 1
        if begin <= now:
            running = trial(number, cell, TrialState.RUNNING, begin, None, place, now)
            beats = int((now - begin) // 10)  # the last sign of life, every ten seconds
            running.user_attrs["beat"] = [beats, int(STEPS * 10 * beats / (end - begin))]
            trials.append(running)
    found = seconds_left(study, Snapshot(tuple(trials)), left, START + timedelta(seconds=now))
    assert found is not None
    return found, max(free) - now


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize(
    "seconds",
    [
        {"Adam": 6.0, "ADAQN": 9.0, "AdaGrad": 5.0},
        {f"variant-{k}": 4.0 + k for k in range(10)},
        {"Adam": 5.0, "AdaGrad": 5.0, "RMSProp": 5.0, "ADAQN": 9.0, "K-FAC": 30.0, "Hessian-free": 200.0},
    ],
)
def test_is_right_within_a_factor_of_one_and_a_half(seconds: dict[str, float], workers: int) -> None:
    draw = random.Random(workers)
    for share in (0.1, 0.2, 0.4, 0.6, 0.8):
        for _ in range(5):
            found, truth = told(Costs(seconds, 15), workers, share, draw)
            assert truth / 1.5 <= found <= 1.5 * truth, (share, found, truth)


def test_nothing_is_told_before_anything_is_known() -> None:
    study = Costs({"Adam": 5.0}, 4)
    assert seconds_left(study, Snapshot(()), Counter(Adam=4), START) is None
