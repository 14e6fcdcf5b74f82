"""How many runs side by side? Chosen by measuring: the fastest number whose memory fits."""

from dataclasses import dataclass

import torch

from adaqn_lab import Recipe
from studies.models import Architecture
from studies.tasks import Task
from studies.training.device import forget_peak, free_memory, peak_memory
from studies.training.loop import LastTrainer, train_many
from studies.training.schedule import Schedule
from studies.variants.variant import Variant

_STEPS = 25
"""Steps of a measurement: one window of adaQN's default cadence, with its pair and its guard, and a little more."""
_GAIN = 0.97
"""Twice as many runs must take less than this share of the time, each, to be worth their memory."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """``runs`` side by side: ``seconds`` of a step for each of them, evaluation left out; ``memory`` in bytes.

    On a CPU the memory is the process's peak so far, torch itself and the task included; on a GPU torch's peak.
    """

    runs: int
    seconds: float
    memory: int


def measure(
    variant: Variant, runs: int, *, task: Task, architecture: Architecture, steps: int = _STEPS, device: str = "cpu"
) -> Measured:
    """Train ``runs`` runs for a few steps at the variant's central rate, once to warm up and once by the clock.

    On a GPU both are steps of one trainer, so that what is captured in the first is replayed in the second.
    """
    place, cells, last = torch.device(device), [(variant.centre, seed) for seed in range(runs)], LastTrainer()
    forget_peak(place)
    schedule = Schedule(steps=max(steps, 2 * _window(variant) + 1), points=1)
    common = {"task": task, "architecture": architecture, "device": device, "last": last}
    warm = schedule if place.type == "cuda" else Schedule(steps=2, points=1)
    train_many(variant, cells, schedule=warm, **common)  # type: ignore[arg-type]
    outcomes = train_many(variant, cells, schedule=schedule, **common)  # type: ignore[arg-type]
    return Measured(runs=runs, seconds=outcomes[0].seconds / schedule.steps, memory=peak_memory(place))


def _window(variant: Variant) -> int:
    return variant.method.cadence.every if isinstance(variant.method, Recipe) else 1


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
        measured.append(measure(variant, runs, task=task, architecture=architecture, device=device))
        # Two runs may lose to one, which has torch's own layers; give up when four have not won either.
        if runs > 2 and measured[-1].seconds > _GAIN * measured[-2].seconds:
            break
    fitting = [each for each in measured if each.memory <= memory] or measured[:1]
    return min(fitting, key=lambda each: each.seconds).runs, measured
