"""Operators, host reads and vectors allocated by one step: integers, equal on every machine.

``python -m tests.benchmarks.counts`` prints them; with ``--write`` they become the committed ``counts.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from adaqn_lab import QuasiNewton, Recipe, recipes
from tests.benchmarks.counting import Allocations, Operators
from tests.benchmarks.models import SIZES, parameters
from tests.benchmarks.stepping import LR, GivenGradients, bowls

FILE = Path(__file__).with_name("counts.json")
COUNTED: dict[str, Recipe] = {
    "ADAQN": recipes.ADAQN,
    "ADAQN_RESCALED": recipes.ADAQN_RESCALED,
    "ADAQN_ROUNDED": recipes.ADAQN_ROUNDED,
    "ADAQN_SKETCHED": recipes.ADAQN_SKETCHED,
    "SQN": recipes.SQN,
    "OLBFGS": recipes.OLBFGS,
    "SDLBFGS": recipes.SDLBFGS,
    "ASNAQ": recipes.ASNAQ,
}


def count(recipe: Recipe) -> dict[str, int]:
    """Of a step between windows and of one which closes a window, in the third window; the callables' own included.

    ``vectors``: storages made of n elements or more; ``reads``: operators whose result the host waits for.
    """
    model = SIZES["tiny"].build()
    given, n, every = GivenGradients(model), parameters(model), recipe.cadence.every
    optimizer = QuasiNewton(given.parameters, recipe, lr=LR, **bowls(given.parameters))
    for _ in range(2 * every):
        optimizer.step()
        given.turn()
    found = {"reads": 0}
    for k in range(every):
        with Allocations(4 * n) as allocations, Operators() as operators:
            optimizer.step()
        found["reads"] += operators.reads
        name = "window" if k == every - 1 else "step"
        found |= {f"{name} operators": operators.calls, f"{name} vectors": allocations.large}
    return dict(sorted(found.items()))


def differences() -> list[str]:
    """Where the counts are not those committed, a sentence each; with another torch than theirs nothing is said."""
    known = json.loads(FILE.read_text())
    if known["torch"] != _version():
        print(f"The counts were made with torch {known['torch']}, this is {_version()}: not compared.")
        return []
    found = {name: count(recipe) for name, recipe in COUNTED.items()}
    return [
        f"{name}, {what}: {found[name][what]}, committed {number}."
        for name in COUNTED
        for what, number in known[name].items()
        if found[name][what] != number
    ]


def _version() -> str:
    return torch.__version__.split("+")[0]


def main() -> None:
    """Print or write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="make them the committed counts.json")
    text = {"torch": _version()} | {name: count(recipe) for name, recipe in COUNTED.items()}
    if parser.parse_args().write:
        FILE.write_text(json.dumps(text, indent=2) + "\n")
    print(json.dumps(text, indent=2))


if __name__ == "__main__":
    main()
