"""Throughput: the operations of a step, and the number of runs that is chosen."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from studies.errors import InputError
from studies.execution import throughput
from studies.execution.measuring import DoesNotFitError
from studies.models import Architecture
from studies.planning.course import Sizes
from studies.reports.columns import write_table
from studies.reports.throughput import COLUMNS, draw
from studies.tasks import Shape
from studies.training.packing import Measured
from studies.variants.variant import Variant
from tests.studies.training.test_device import two_gpus as two_gpus


def test_operations_by_hand() -> None:
    model = Architecture(unit="lstm", embedding=2, hidden=3)  # 12 gates
    symbols = Shape(inputs=5, outputs=5)
    # 5 symbols or 4 places through (2, 12), 4 places through (3, 12) and (3, 5): once forward, twice back.
    assert throughput.operations(model, symbols, 10) == 6 * (5 * 2 * 12 + 10 * 3 * 12 + 10 * 3 * 5)
    assert throughput.operations(model, symbols, 4) == 6 * (4 * 2 * 12 + 4 * 3 * 12 + 4 * 3 * 5)
    deep = Architecture(unit="tanh", layers=2, hidden=3)
    numbers = Shape(inputs=2, outputs=1, tokens=False)
    assert throughput.operations(deep, numbers, 4) == 6 * 4 * (2 * 3 + 3 * 3 + 2 * 3 * 3 + 3)


def workload(text_file: Path, device: str = "cpu") -> throughput.Workload:
    return throughput.Workload(
        text=text_file, task="characters", model="lstm", variant="Adam", runs=(1, 8), steps=1, run_steps=10, workers=2,
        device=device,
    )  # fmt: skip


def test_says_how_many_runs_it_would_choose(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, int] = {}

    def chosen(variant: Variant, *, memory: int, **_: object) -> tuple[int, list[Measured]]:
        asked[variant.name] = memory
        return 2, [Measured(runs=runs, seconds=0.004 / runs, memory=1) for runs in (1, 2)]

    monkeypatch.setattr(throughput, "choose_runs", chosen)
    told = throughput.best_number(workload(text_file))
    assert told.startswith("R = 2 is the fastest that fits into")
    assert "4.00 ms at 1, 2.00 ms at 2" in told
    assert asked["Adam"] > 10 << 20  # half of the free memory


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_stands_beside_the_cores(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def together(work: object, workers: int, runs: int, device: str) -> tuple[list[Measured], float]:
        asked.append((workers, runs, device))
        shares = {"data": 0.1, "gradients": 0.6, "optimizer": 0.3, "launches": 0.95 if runs == 1 else 0.2}
        # A step of a run takes 0.1 s on a core, and 1 s / R on the GPU.
        seconds = 0.1 if device == "cpu" else 1.0 / runs
        return [Measured(runs=runs, seconds=seconds, memory=100, shares=shares)] * workers, 5.0

    monkeypatch.setattr(throughput, "_together", together)
    monkeypatch.setattr(throughput, "_bound", lambda work: 1000.0)
    own, core, one, eight, bound = throughput.rates(workload(text_file, "cuda"))
    assert asked == [(2, 1, "cpu"), (1, 1, "cuda"), (1, 8, "cuda")]
    assert (own.per_minute, core.per_minute) == (60 * 2 / 6, 60 * 2 / 1)
    assert (one.way, one.per_minute, one.seconds) == ("R = 1, GPU", 6.0, 1.0)
    assert (eight.way, eight.per_minute, eight.times) == ("R = 8, GPU", 48.0, 0.4)
    assert (core.limit, one.limit, eight.limit, bound.limit) == ("gradients", "launches", "gradients", None)
    assert (bound.way, bound.times) == ("products only", 1000 / 120)


def test_sizes_are_those_of_the_options(text_file: Path) -> None:
    _, task, model = replace(workload(text_file), sizes=Sizes(batch_size=3, length=6, hidden=5, layers=2)).made
    assert next(task.batches(0))[0].shape[:2].numel() == 3 * 6
    assert (model.hidden, model.layers) == (5, 2)


def test_what_does_not_fit_is_told_and_no_more_is_tried(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def together(work: object, workers: int, runs: int, device: str) -> tuple[list[Measured], float]:
        asked.append(runs)
        if runs > most:
            raise DoesNotFitError("out of memory")
        return [Measured(runs=runs, seconds=0.1, memory=100)] * workers, 5.0

    monkeypatch.setattr(throughput, "_together", together)
    monkeypatch.setattr(throughput, "_bound", lambda work: 1000.0)
    most = 4
    found = list(throughput.rates(replace(workload(text_file), runs=(4, 8, 16))))
    assert asked == [1, 4, 8]
    assert [rate.way for rate in found] == ["own process", "R = 1", "R = 4", "R = 8", "products only"]
    assert (found[3].per_minute, found[3].memory, found[3].limit) == (None, None, "out of memory")
    write_table(COLUMNS, found, tmp_path / "throughput.csv")
    assert "R = 8,8,,,,,,,,,out of memory" in (tmp_path / "throughput.csv").read_text()
    draw(found)
    most = 0
    with pytest.raises(
        InputError, match=r"One run in each of 2 processes does not fit in the memory \(out of memory\)"
    ):
        next(throughput.rates(workload(text_file)))


def test_a_run_that_does_not_fit_is_no_choice(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> tuple[int, list[Measured]]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(throughput, "choose_runs", full)
    assert throughput.best_number(workload(text_file)).startswith("One run does not fit into")
