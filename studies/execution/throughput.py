"""Runs per minute, side by side against one process per run, and what they are limited by."""

import multiprocessing
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from studies.errors import require_at_least
from studies.execution.processes import usable_cores
from studies.models import Architecture, architecture
from studies.tasks import Shape, Task, load_text, named_task
from studies.training.device import device_named, free_memory, synchronise
from studies.training.loop import prepare_process
from studies.training.packing import Measured, choose_runs, measure
from studies.variants.names import choose_variants
from studies.variants.variant import Variant

ON_CORES, ON_GPU = (1, 4, 16), (1, 4, 16, 64, 256, 1024)
"""Runs side by side that are measured unless others are asked for."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is timed, with the command's options; ``runs`` side by side, of ``length`` steps."""

    text: Path | None
    task: str
    model: str
    variant: str
    runs: tuple[int, ...]
    steps: int
    length: int
    workers: int | None
    device: str

    def check(self) -> None:
        """Raise `InputError` for bad input."""
        require_at_least(1, steps=self.steps, length=self.length, workers=self.workers)
        require_at_least(1, runs=min(self.runs, default=1))
        _ = self.made, device_named(self.device)

    @property
    def made(self) -> tuple[Variant, Task, Architecture]:
        """The variant, the task and the model."""
        model = architecture(self.model)
        choose_variants((self.variant,), 1)
        task = named_task(self.task, load_text(self.text))
        (variant,) = choose_variants((self.variant,), task.batch_size)
        return variant, task, model

    @property
    def on_gpu(self) -> bool:
        """Whether runs are trained on a GPU."""
        return device_named(self.device).type == "cuda"

    @property
    def processes(self) -> int:
        """Processes at a time that train on cores."""
        return self.workers or usable_cores()


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A way to run: runs finished ``per_minute``, ``times`` those of one run on each core; bytes of ``memory``.

    ``seconds``: of a step of all ``runs`` side by side; ``shares`` as in `Measured`. ``None`` and empty for a bound.
    """

    way: str
    per_minute: float
    times: float
    runs: int = 0
    memory: int | None = None
    seconds: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def limit(self) -> str | None:
        """What takes the largest part of a step; the launches where the device waits for them."""
        if not self.shares:
            return None
        waits = self.shares["launches"] > _WAITING and "GPU" in self.way
        parts = {name: share for name, share in self.shares.items() if name != "launches"}
        return "launches" if waits else max(parts, key=lambda name: parts[name])


_WAITING = 0.9


def rates(work: Workload) -> Iterator[Rate]:
    """Measure one way to run after the other, one run on each core first."""
    measured, startup = _together(work, work.processes, 1, "cpu")
    base = _per_minute(work, measured)
    own = 60.0 * work.processes / (startup + measured[0].seconds * work.length)
    yield _rate("own process", own, base, measured)
    yield _rate("R = 1", base, base, measured)
    for runs in sorted(set(work.runs or (ON_GPU if work.on_gpu else ON_CORES))):
        if work.on_gpu:
            measured, _ = _together(work, 1, runs, work.device)
            yield _rate(f"R = {runs}, GPU", _per_minute(work, measured), base, measured)
        elif runs > 1:
            measured, _ = _together(work, work.processes, runs, "cpu")
            yield _rate(f"R = {runs}", _per_minute(work, measured), base, measured)
    bound = _bound(work)
    yield Rate(way="products only", per_minute=bound, times=bound / base)


def _rate(way: str, per_minute: float, base: float, measured: list[Measured]) -> Rate:
    memory, one = sum(each.memory for each in measured), measured[0]
    return Rate(way=way, per_minute=per_minute, times=per_minute / base, runs=one.runs, memory=memory,
                seconds=one.seconds * one.runs, shares=one.shares)  # fmt: skip


def _per_minute(work: Workload, measured: list[Measured]) -> float:
    # Every process ends its R runs of ``length`` steps after R * length * (seconds of a run's step).
    return 60.0 * sum(1.0 / (each.seconds * work.length) for each in measured)


def best_number(work: Workload) -> str:
    """Return in a sentence how many runs side by side are best in one process, in its share of the free memory."""
    prepare_process()
    variant, task, model = work.made
    free = free_memory(device_named(work.device)) // (1 if work.on_gpu else work.processes)
    best, measured = choose_runs(
        variant, task=task, architecture=model, memory=free, device=str(device_named(work.device))
    )
    seconds = ", ".join(f"{1e3 * each.seconds:.2f} ms at {each.runs}" for each in measured)
    return f"R = {best} is the fastest that fits into {free >> 20} MiB a process (a run's step: {seconds})."


def _bound(work: Workload) -> float:
    """Return the runs per minute of a device that does a step's matrix products at its peak, and nothing else."""
    prepare_process()
    _, task, model = work.made
    targets = next(task.batches(0))[0].shape[:2].numel()
    peak = _peak(device_named(work.device)) * (1 if work.on_gpu else work.processes)
    return 60.0 * peak / (operations(model, task.shape, targets) * work.length)


def operations(model: Architecture, shape: Shape, places: int) -> int:
    """Return the floating-point operations of a step's matrix products for ``places`` = B T: forward, and twice back.

    Biases, gates, the loss and the optimizer are left out, and so are the products whose result nobody needs.
    """
    rows, features = places, shape.inputs
    if shape.tokens:
        rows, features = min(places, shape.inputs), model.embedding
    upper = (model.layers - 1) * model.hidden * model.gates * places
    recurrent = model.layers * model.hidden * model.gates * places
    total = rows * features * model.gates + upper + recurrent + places * model.hidden * shape.outputs
    return 2 * 3 * total


def _peak(device: torch.device) -> float:
    """Return the floating-point operations a second in a large product, of one core or of a GPU, the best of a few."""
    size = 1024 if device.type == "cpu" else 8192
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    seconds = []
    for _ in range(8):
        synchronise(device)
        begin = time.perf_counter()
        torch.mm(a, b)
        synchronise(device)
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / min(seconds)


def _together(work: Workload, workers: int, runs: int, device: str) -> tuple[list[Measured], float]:
    """Let ``workers`` fresh processes measure at the same time; return their results and their seconds to be ready."""
    context = multiprocessing.get_context("spawn")
    begin, ends = time.perf_counter(), []
    for _ in range(workers):
        mine, theirs = context.Pipe()
        context.Process(target=_measure, args=(theirs, work, runs, device), daemon=True).start()
        theirs.close()
        ends.append(mine)
    try:
        for end in ends:
            end.recv()  # it is ready
        startup = time.perf_counter() - begin
        for end in ends:
            end.send("go")
        return [end.recv() for end in ends], startup
    except EOFError:
        raise RuntimeError("A measuring process ended without a result; what it said stands above.") from None


def _measure(pipe: Connection, work: Workload, runs: int, device: str) -> None:
    prepare_process()
    variant, task, model = work.made
    place = str(device_named(device))
    pipe.send("ready")
    pipe.recv()
    pipe.send(measure(variant, runs, task=task, architecture=model, steps=work.steps, device=place))
