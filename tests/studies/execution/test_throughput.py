"""Throughput: the operations of a step, and the number of runs that is chosen."""

from pathlib import Path

import pytest

from studies.execution import throughput
from studies.models import Architecture
from studies.tasks import Shape
from studies.training.packing import Measured
from studies.variants.variant import Variant


def test_operations_by_hand() -> None:
    model = Architecture(unit="lstm", embedding=2, hidden=3)  # 12 gates
    symbols = Shape(inputs=5, outputs=5)
    # 5 symbols or 4 places through (2, 12), 4 places through (3, 12) and (3, 5): once forward, twice back.
    assert throughput.operations(model, symbols, 10) == 6 * (5 * 2 * 12 + 10 * 3 * 12 + 10 * 3 * 5)
    assert throughput.operations(model, symbols, 4) == 6 * (4 * 2 * 12 + 4 * 3 * 12 + 4 * 3 * 5)
    deep = Architecture(unit="tanh", layers=2, hidden=3)
    numbers = Shape(inputs=2, outputs=1, tokens=False)
    assert throughput.operations(deep, numbers, 4) == 6 * 4 * (2 * 3 + 3 * 3 + 2 * 3 * 3 + 3)


def test_says_how_many_runs_it_would_choose(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, int] = {}

    def chosen(variant: Variant, *, memory: int, **_: object) -> tuple[int, list[Measured]]:
        asked[variant.name] = memory
        return 2, [Measured(runs=runs, seconds=0.004 / runs, memory=1) for runs in (1, 2)]

    monkeypatch.setattr(throughput, "choose_runs", chosen)
    options = throughput.Workload(
        text=text_file, task="characters", model="lstm", variant="Adam", runs=(1,), steps=1, length=1, workers=None,
        choose=True,
    )  # fmt: skip
    told = throughput._chosen(options, workers=4)
    assert told.startswith("R = 2 is the fastest that fits into")
    assert "4.00 ms at 1, 2.00 ms at 2" in told
    assert asked["Adam"] > 10 << 20  # a fourth of the free memory
