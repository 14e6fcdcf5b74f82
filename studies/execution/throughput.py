"""Runs per minute, side by side against one process per run, and what they are limited by."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from studies.errors import InputError, require_at_least
from studies.execution.measuring import DoesNotFitError, at_the_same_time
from studies.execution.processes import usable_cores
from studies.models import Architecture, architecture
from studies.planning.course import Sizes
from studies.tasks import Shape, Task, load_text, named_task
from studies.training.device import device_named, free_memory, is_out_of_memory, synchronise
from studies.training.loop import prepare_process
from studies.training.packing import Measured, choose_runs, measure
from studies.variants.names import choose_variants
from studies.variants.variant import Variant

ON_CORES, ON_GPU = (1, 4, 16), (1, 4, 16, 64, 256, 1024)
"""Runs side by side that are measured unless others are asked for."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is timed, with the command's options; ``runs`` side by side, of ``run_steps`` steps."""

    text: Path | None
    task: str
    model: str
    variant: str
    runs: tuple[int, ...]
    steps: int
    run_steps: int
    workers: int | None
    device: str
    sizes: Sizes = Sizes()

    def check(self) -> None:
        """Raise `InputError` for bad input."""
        require_at_least(1, steps=self.steps, run_steps=self.run_steps, workers=self.workers)
        require_at_least(1, runs=min(self.runs, default=1))
        _ = self.made, device_named(self.device)

    @property
    def made(self) -> tuple[Variant, Task, Architecture]:
        """The variant, the task and the model."""
        model = architecture(self.model, hidden=self.sizes.hidden, layers=self.sizes.layers)
        choose_variants((self.variant,), 1)
        text = load_text(self.text)
        task = named_task(self.task, text, batch_size=self.sizes.batch_size, length=self.sizes.length)
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
    Nothing is measured of a way that ``ended`` otherwise, out of memory say.
    """

    way: str
    per_minute: float | None = None
    times: float | None = None
    runs: int = 0
    memory: int | None = None
    seconds: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    ended: str | None = None

    @property
    def limit(self) -> str | None:
        """What takes the largest part of a step; the launches where the device waits for them."""
        if not self.shares:
            return self.ended
        waits = self.shares["launches"] > _WAITING and "GPU" in self.way
        parts = {name: share for name, share in self.shares.items() if name != "launches"}
        return "launches" if waits else max(parts, key=lambda name: parts[name])


_WAITING = 0.9


def rates(work: Workload) -> Iterator[Rate]:
    """Measure one way to run after the other, one run on each core first.

    R runs that do not fit in the memory are told, and more are not tried. `InputError` where one on each core does not.
    """
    try:
        measured, startup = _together(work, work.processes, 1, "cpu")
    except DoesNotFitError as reason:
        raise InputError(
            f"One run in each of {work.processes} processes does not fit in the memory ({reason}): take fewer "
            "--workers, or a smaller model or batch."
        ) from None
    base = _per_minute(work, measured)
    own = 60.0 * work.processes / (startup + measured[0].seconds * work.run_steps)
    yield _rate("own process", own, base, measured)
    yield _rate("R = 1", base, base, measured)
    for runs in sorted(set(work.runs or (ON_GPU if work.on_gpu else ON_CORES))):
        if runs == 1 and not work.on_gpu:
            continue
        way = f"R = {runs}, GPU" if work.on_gpu else f"R = {runs}"
        try:
            measured, _ = _together(work, 1 if work.on_gpu else work.processes, runs, work.device)
        except DoesNotFitError as reason:
            yield Rate(way=way, runs=runs, ended=str(reason))
            break
        yield _rate(way, _per_minute(work, measured), base, measured)
    bound = _bound(work)
    yield Rate(way="products only", per_minute=bound, times=bound / base)


def _rate(way: str, per_minute: float, base: float, measured: list[Measured]) -> Rate:
    memory, one = sum(each.memory for each in measured), measured[0]
    return Rate(way=way, per_minute=per_minute, times=per_minute / base, runs=one.runs, memory=memory,
                seconds=one.seconds * one.runs, shares=one.shares)  # fmt: skip


def _per_minute(work: Workload, measured: list[Measured]) -> float:
    # Every process ends its R runs after R * run_steps * (seconds of a run's step).
    return 60.0 * sum(1.0 / (each.seconds * work.run_steps) for each in measured)


def best_number(work: Workload) -> str:
    """Return in a sentence how many runs side by side are best in one process, in its share of the free memory."""
    prepare_process()
    variant, task, model = work.made
    free = free_memory(device_named(work.device)) // (1 if work.on_gpu else work.processes)
    device = str(device_named(work.device))
    try:
        best, measured = choose_runs(variant, task=task, architecture=model, memory=free, device=device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return f"One run does not fit into {free >> 20} MiB a process."
    seconds = ", ".join(f"{1e3 * each.seconds:.2f} ms at {each.runs}" for each in measured)
    return f"R = {best} is the fastest that fits into {free >> 20} MiB a process (a run's step: {seconds})."


def _bound(work: Workload) -> float:
    """Return the runs per minute of a device that does a step's matrix products at its peak, and nothing else."""
    prepare_process()
    _, task, model = work.made
    targets = next(task.batches(0))[0].shape[:2].numel()
    peak = _peak(device_named(work.device)) * (1 if work.on_gpu else work.processes)
    return 60.0 * peak / (operations(model, task.shape, targets) * work.run_steps)


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
    """Let ``workers`` processes measure at the same time; return their results and their seconds to be ready."""
    return at_the_same_time(partial(_prepared, work, runs, device), workers)


def _prepared(work: Workload, runs: int, device: str) -> Callable[[], Measured]:
    prepare_process()
    variant, task, model = work.made
    place = str(device_named(device))
    return partial(measure, variant, runs, task=task, architecture=model, steps=work.steps, device=place)
