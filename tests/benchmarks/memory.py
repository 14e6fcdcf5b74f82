"""Peak memory of the optimizers, measured: ``python -m tests.benchmarks.memory``.

Three measures: what a checkpoint holds; the highest sum of live bytes in torch's own allocator from before the
optimizer is made to the end of its third window (operators' inner temporaries included, the callables' too); and, with
``--resident``, how much the process itself grew, on a million parameters, in a fresh process for each recipe.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from adaqn_lab import QuasiNewton, Recipe
from tests.benchmarks.counts import COUNTED
from tests.benchmarks.models import SIZES, parameters
from tests.benchmarks.room import forget_highest, resident
from tests.benchmarks.stepping import LR, GivenGradients, bowls, recipes, state_bytes


def allocator_peak(work: Callable[[], Any]) -> int:
    """The highest sum of bytes which torch's CPU allocator gave out and not yet took back, during ``work``."""
    profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
    with _without_its_messages():
        profiler.start()
    kept = work()
    with _without_its_messages():
        profiler.stop()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    del kept
    return peak


@contextmanager
def _without_its_messages() -> Iterator[None]:
    """torch 2.13's profiler says when it starts and stops, on the process's own standard error."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def three_windows(given: GivenGradients, recipe: Recipe) -> QuasiNewton:
    """An optimizer made and stepped to the end of its third window: every kind of step was among them."""
    options = bowls(given.parameters) | {"monitor": lambda: torch.zeros(())}
    optimizer = QuasiNewton(given.parameters, recipe, lr=LR, **options)
    for _ in range(3 * recipe.cadence.every):
        given.turn()
        optimizer.step()
    return optimizer


def measured(recipe: Recipe, model: nn.Module) -> tuple[float, float]:
    """Bytes of the state per parameter, and the peak in vectors of n float32 elements.

    Parameters and gradients are not counted, since they were there before.
    """
    given, made = GivenGradients(model), []
    peak = allocator_peak(lambda: made.append(three_windows(given, recipe)))
    n = parameters(model)
    return state_bytes(made[0]) / n, peak / 4 / n


def resident_vectors(name: str, size: str) -> float:
    """How many vectors the process's highest resident size grew by; run in a process of its own."""
    given, recipe = GivenGradients(SIZES[size].build()), recipes(parameters(SIZES[size].build()))[name]
    forget_highest()
    before = resident()
    optimizer = three_windows(given, recipe)
    grown = resident(highest=True) - before
    assert optimizer.events
    return grown / 4 / sum(p.numel() for p in given.parameters)


def table(size: str, names: Iterable[str], resident: Collection[str] = ()) -> str:
    """Markdown, a row a recipe; of those in ``resident`` a process's growth on a million parameters too."""
    model = SIZES[size].build()
    head = ["recipe", "state, bytes per parameter", "peak, vectors of n", "resident, vectors of n"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    shipped = recipes(parameters(model))
    for name in names or shipped:
        state, peak = measured(shipped[name], model)
        grown = _elsewhere(name) if name in resident else "–"
        lines.append(f"| {name} | {state:.1f} | {peak:.2f} | {grown} |")
    return "\n".join(lines)


def _elsewhere(name: str) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--size", "1M", "--grown", name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="0.1M", help="the LSTM's parameters")
    parser.add_argument("--resident", action="store_true", help="add how much a process of its own grows")
    parser.add_argument("--grown", metavar="RECIPE", help="print that recipe's growth in this process, nothing else")
    parser.add_argument("names", nargs="*", help="recipes; all by default")
    arguments = parser.parse_args()
    if arguments.grown:
        print(f"{resident_vectors(arguments.grown, arguments.size):.1f}")
    else:
        print(table(arguments.size, arguments.names, COUNTED if arguments.resident else ()))


if __name__ == "__main__":
    main()
