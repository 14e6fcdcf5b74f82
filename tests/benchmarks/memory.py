"""Peak memory of the optimizers, measured: ``python -m tests.benchmarks.memory``.

Three measures: what a checkpoint holds; the highest sum of live bytes in torch's own allocator from before the
optimizer is made to the end of its third window (operators' inner temporaries included, the callables' too); and, with
``--resident``, how much the process itself grew, in a fresh process for each recipe.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from adaqn_lab import QuasiNewton, Recipe
from tests.benchmarks.models import SIZES, parameters
from tests.benchmarks.room import forget_highest, resident
from tests.benchmarks.stepping import LR, GivenGradients, bowls, recipes, state_bytes


def allocator_peak(work: Callable[[], Any]) -> int:
    """The highest sum of bytes which torch's CPU allocator gave out and not yet took back, during ``work``."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = work()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    del kept
    return peak


def three_windows(given: GivenGradients, recipe: Recipe) -> QuasiNewton:
    """An optimizer made and stepped to the end of its third window: every kind of step was among them."""
    options = bowls(given.parameters) | {"monitor": lambda: torch.zeros(())}
    optimizer = QuasiNewton(given.parameters, recipe, lr=LR, **options)
    for _ in range(3 * recipe.cadence.every):
        given.turn()
        optimizer.step()
    return optimizer


def peak_vectors(recipe: Recipe, model: nn.Module) -> float:
    """The peak in vectors of n float32 elements, parameters and gradients not counted."""
    given = GivenGradients(model)
    return allocator_peak(lambda: three_windows(given, recipe)) / 4 / parameters(model)


def state_per_parameter(recipe: Recipe, model: nn.Module) -> float:
    """Bytes of the state per parameter."""
    return state_bytes(three_windows(GivenGradients(model), recipe)) / parameters(model)


def resident_vectors(name: str, size: str) -> float:
    """How many vectors the process's highest resident size grew by; run in a process of its own."""
    given, recipe = GivenGradients(SIZES[size].build()), recipes(parameters(SIZES[size].build()))[name]
    forget_highest()
    before = resident()
    optimizer = three_windows(given, recipe)
    grown = resident(highest=True) - before
    assert optimizer.events
    return grown / 4 / sum(p.numel() for p in given.parameters)


def table(size: str, names: list[str], resident: bool) -> str:
    """Markdown, a row a recipe."""
    model = SIZES[size].build()
    head = ["recipe", "state, bytes per parameter", "peak, vectors of n"] + ["resident, vectors of n"] * resident
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for name, recipe in recipes(parameters(model)).items():
        if names and name not in names:
            continue
        cells = [f"{state_per_parameter(recipe, model):.1f}", f"{peak_vectors(recipe, model):.2f}"]
        if resident:
            cells.append(_resident_elsewhere(name, size))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _resident_elsewhere(name: str, size: str) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--size", size, "--grown", name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="1M", help="the LSTM's parameters")
    parser.add_argument("--resident", action="store_true", help="add the growth of a process of its own")
    parser.add_argument("--grown", metavar="RECIPE", help="print that recipe's growth in this process, nothing else")
    parser.add_argument("names", nargs="*", help="recipes; all by default")
    arguments = parser.parse_args()
    if arguments.grown:
        print(f"{resident_vectors(arguments.grown, arguments.size):.1f}")
    else:
        print(table(arguments.size, arguments.names, arguments.resident))


if __name__ == "__main__":
    main()
