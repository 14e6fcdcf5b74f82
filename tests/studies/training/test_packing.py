"""How many runs side by side: the fastest that fits, by whatever was measured."""

from collections.abc import Callable

import pytest

from studies.models import Architecture
from studies.tasks import AddingTask
from studies.training import packing
from studies.training.packing import Measured, choose_runs, measure
from studies.variants.names import known_variants

TASK, SMALL = AddingTask(length=4, batch_size=5, held_out=10), Architecture(unit="tanh", hidden=4)
ADAM = known_variants(50)["Adam"]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[int]]]:
    def run(seconds: dict[int, float], memory: Callable[[int], int] = lambda runs: runs, most: int = 64,
            budget: int = 10**9) -> tuple[int, list[int]]:  # fmt: skip
        def measured(variant: object, runs: int, **_: object) -> Measured:
            return Measured(runs=runs, seconds=seconds[runs], memory=memory(runs))

        monkeypatch.setattr(packing, "measure", measured)
        chosen, tried = choose_runs(ADAM, task=TASK, architecture=SMALL, memory=budget, most=most)
        return chosen, [each.runs for each in tried]

    return run


def test_doubles_as_long_as_it_pays(pretend: Callable[..., tuple[int, list[int]]]) -> None:
    assert pretend({1: 4.0, 2: 3.0, 4: 2.0, 8: 1.99, 16: 0.1}) == (8, [1, 2, 4, 8])
    assert pretend({1: 4.0, 2: 3.0, 4: 2.0, 8: 1.0}, most=8) == (8, [1, 2, 4, 8])


def test_two_may_lose_to_one_and_four_may_still_win(pretend: Callable[..., tuple[int, list[int]]]) -> None:
    assert pretend({1: 4.0, 2: 5.0, 4: 3.0, 8: 3.0}) == (4, [1, 2, 4, 8])
    assert pretend({1: 4.0, 2: 5.0, 4: 5.0}) == (1, [1, 2, 4])


def test_stops_before_the_memory_does(pretend: Callable[..., tuple[int, list[int]]]) -> None:
    falling = {2**k: 2.0**-k for k in range(7)}
    # 100 + 10 R bytes: at R = 8, 180 are in use, the last doubling added 40, so 16 would take about 260.
    assert pretend(falling, memory=lambda runs: 100 + 10 * runs, budget=200) == (8, [1, 2, 4, 8])
    assert pretend(falling, memory=lambda runs: 100 * runs, budget=50) == (1, [1])


def test_measures_seconds_of_a_step_and_memory() -> None:
    one = measure(ADAM, 1, task=TASK, architecture=SMALL, steps=3)
    assert 0 < one.seconds < 5
    assert one.memory > 50 << 20  # torch alone is more
    assert measure(ADAM, 3, task=TASK, architecture=SMALL, steps=3).runs == 3
    assert measure(ADAM, 2, task=TASK, architecture=SMALL, steps=130).seconds < 5  # more than are drawn at a time
