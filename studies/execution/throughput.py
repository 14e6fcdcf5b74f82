"""Runs per minute, side by side against one process per run."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from studies.errors import require_at_least
from studies.execution.processes import usable_cores
from studies.execution.provenance import environment, machine
from studies.models import Architecture, architecture
from studies.tasks import Shape, load_text, named_task
from studies.training.loop import prepare_process
from studies.training.packing import Measured, choose_runs, measure
from studies.variants.names import choose_variants


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
    choose: bool


@dataclass(frozen=True, kw_only=True)
class _Rate:
    runs: int
    per_minute: float
    memory: int


def print_throughput(options: Workload) -> int:
    """Measure and print; return 0. Raises `InputError` for bad input before anything is started."""
    require_at_least(1, steps=options.steps, length=options.length, workers=options.workers)
    require_at_least(1, runs=min(options.runs, default=1))
    architecture(options.model)
    choose_variants((options.variant,), 1)
    named_task(options.task, load_text(options.text))
    workers = options.workers or usable_cores()
    _print_head(options, workers)
    rates, startup = [], 0.0
    for runs in sorted({1, *options.runs}):
        measured, startup = _together(options, workers, runs)
        # Every process ends its R runs of ``length`` steps after R * length * (seconds of a run's step).
        minute = 60.0 * sum(1.0 / (each.seconds * options.length) for each in measured)
        rates.append(_Rate(runs=runs, per_minute=minute, memory=sum(each.memory for each in measured)))
        if runs == 1:
            alone = 60.0 * workers / (startup + measured[0].seconds * options.length)
            _print_row("own process", alone, rates[0].memory, rates[0].per_minute)
        _print_row(f"R = {runs}", rates[-1].per_minute, rates[-1].memory, rates[0].per_minute)
    _print_row("products only", _bound(options, workers), 0, rates[0].per_minute)
    print(f"A process started for one run is ready to train after {startup:.1f} s.")
    if options.choose:
        print(_chosen(options, workers))
    return 0


def _chosen(options: Workload, workers: int) -> str:
    """Choose R in this process, with one worker's share of the memory that is free now."""
    prepare_process()
    task = named_task(options.task, load_text(options.text))
    (variant,) = choose_variants((options.variant,), task.batch_size)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // workers
    best, measured = choose_runs(variant, task=task, architecture=architecture(options.model), memory=free)
    seconds = ", ".join(f"{1e3 * each.seconds:.2f} ms at {each.runs}" for each in measured)
    return f"R = {best} is the fastest that fits into {free >> 20} MiB a process (a run's step: {seconds})."


def _bound(options: Workload, workers: int) -> float:
    """Return the runs per minute of cores that do a step's matrix products at their peak, and nothing else."""
    prepare_process()
    task = named_task(options.task, load_text(options.text))
    targets = next(task.batches(0))[0].shape[:2].numel()
    return workers * 60.0 * _peak() / (operations(architecture(options.model), task.shape, targets) * options.length)


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


def _peak() -> float:
    """Return the floating-point operations a second of one core in a large product, the best of a few tries."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    seconds = []
    for _ in range(8):
        begin = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begin)
    return 2 * 1024**3 / min(seconds)


def _together(options: Workload, workers: int, runs: int) -> tuple[list[Measured], float]:
    """Let ``workers`` fresh processes measure at the same time; return their results and their seconds to be ready."""
    context = multiprocessing.get_context("spawn")
    begin, ends = time.perf_counter(), []
    for _ in range(workers):
        mine, theirs = context.Pipe()
        context.Process(target=_measure, args=(theirs, options, runs), daemon=True).start()
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


def _measure(pipe: Connection, options: Workload, runs: int) -> None:
    prepare_process()
    task = named_task(options.task, load_text(options.text))
    (variant,) = choose_variants((options.variant,), task.batch_size)
    model = architecture(options.model)
    pipe.send("ready")
    pipe.recv()
    pipe.send(measure(variant, runs, task=task, architecture=model, steps=options.steps))


def _print_head(options: Workload, workers: int) -> None:
    told = machine(), environment()
    print(
        f"{options.variant} on {options.model}, {options.task}, runs of {options.length} steps, {workers} processes "
        f"of one thread; {told[0]['processor']}, torch {told[1]['torch']}, commit {str(told[1]['commit'])[:9]}"
    )
    print(f"{'':>13} {'runs per minute':>16} {'memory MiB':>11} {'ratio':>6}", flush=True)


def _print_row(name: str, per_minute: float, memory: int, reference: float) -> None:
    print(f"{name:>13} {per_minute:16.1f} {memory >> 20:11d} {per_minute / reference:6.2f}", flush=True)
