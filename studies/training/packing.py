"""How many runs side by side? Chosen by measuring: the fastest number whose memory fits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

import torch

from studies.models import Architecture
from studies.tasks import Task
from studies.training.device import forget_peak, free_memory, is_out_of_memory, peak_memory, recorder, synchronise
from studies.training.schedule import Schedule
from studies.training.trainer import Trainer
from studies.variants.variant import Variant

_STEPS = 25
"""Steps of a measurement: one window of adaQN's default cadence, with its pair and its guard, and a little more."""
_GAIN = 0.97
"""Twice as many runs must take less than this share of the time, each, to be worth their memory."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """``runs`` side by side: ``seconds`` of a step for each of them, evaluation left out; ``memory`` in bytes.

    On a CPU the memory is the process's peak so far, torch itself and the task included; on a GPU torch's peak.
    ``shares`` of a step's time: of its data, gradients and optimizer, timed alone; and of launches, the time in which
    the host tells the device what to do, which is all of it on a CPU.
    """

    runs: int
    seconds: float
    memory: int
    shares: Mapping[str, float] = field(default_factory=dict)


def measure(
    variant: Variant, runs: int, *, task: Task, architecture: Architecture, steps: int = _STEPS, device: str = "cpu"
) -> Measured:
    """Time ``steps`` steps of ``runs`` runs at the variant's central rate, after those that run otherwise."""
    place, cells = torch.device(device), [(variant.centre, seed) for seed in range(runs)]
    forget_peak(place)
    trainer = Trainer(
        variant, cells, task=task, architecture=architecture, schedule=Schedule(steps=steps), device=place,
        record=recorder(place),
    )  # fmt: skip
    for _ in range(trainer.warm_up or 2):
        trainer.step()
    whole, launches = _seconds(trainer.step, steps, place)
    memory = peak_memory(place)
    data, gradients, optimizer = trainer.parts.values()

    def with_data() -> None:  # gradients take what was prepared
        data()
        gradients()

    alone = [_seconds(part, steps, place)[0] / whole for part in (data, with_data, optimizer)]
    parts = {"data": alone[0], "gradients": max(alone[1] - alone[0], 0.0), "optimizer": alone[2]}
    return Measured(
        runs=runs, seconds=whole / steps / runs, memory=memory, shares={**parts, "launches": launches / whole}
    )


def _seconds(work: Callable[[], None], times: int, device: torch.device) -> tuple[float, float]:
    """Return how long the work takes so often, and after which part of it the host is done."""
    synchronise(device)
    begin = perf_counter()
    for _ in range(times):
        work()
    told = perf_counter() - begin
    synchronise(device)
    return perf_counter() - begin, told


def choose_runs(
    variant: Variant,
    *,
    task: Task,
    architecture: Architecture,
    memory: int | None = None,
    most: int = 64,
    device: str = "cpu",
) -> tuple[int, list[Measured]]:
    """Return the number of runs that takes the least time a run, and what was measured on the way.

    R = 1, 2, 4, ... up to ``most``, as long as the last doubling paid and the next is expected to fit in ``memory``
    bytes, what is free now without it: what it adds is taken to be twice what the last one added. R = 1 is always
    measured.
    """
    place = torch.device(device)
    memory = free_memory(place) if memory is None else memory
    measured = [measure(variant, 1, task=task, architecture=architecture, device=device)]
    while (runs := 2 * measured[-1].runs) <= most:
        last = measured[-1].memory
        added = last - measured[-2].memory if len(measured) > 1 else 0
        if last + 2 * added > memory:
            break
        try:
            measured.append(measure(variant, runs, task=task, architecture=architecture, device=device))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            break  # the expectation was too low
        # Two runs may lose to one, which has torch's own layers; give up when four have not won either.
        if runs > 2 and measured[-1].seconds > _GAIN * measured[-2].seconds:
            break
    fitting = [each for each in measured if each.memory <= memory] or measured[:1]
    return min(fitting, key=lambda each: each.seconds).runs, measured
