"""Is it still as fast? ``python -m tests.benchmarks.gate`` (``tox -e bench-check``) compares with ``gate.json``.

Each check is a ratio of two times of the same rounds, ours over a reference's, on one thread and in that thread's own
processor time, so that neither another machine's speed nor other processes' turns decide. It fails if the whole 95 %
interval of the median ratio lies above the committed limit. The exact counts of ``counts.json`` are compared as well.

``--write`` makes the limits anew, on an idle machine: median of the repeats, times a margin which follows from their
spread idle and under load. ``--plant`` slows the direction down by half, to see the gate fail. ``--repeat 10 --load``
shows that it holds on a machine whose cores are all busy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.benchmarks import counts
from tests.benchmarks.checks import CHECKS
from tests.benchmarks.load import busy_cores, slowed_direction
from tests.benchmarks.timing import Median

FILE = Path(__file__).with_name("gate.json")
ROUNDS = 31
LEAST_MARGIN, MOST_MARGIN = 1.15, 1.35
"""A margin below the first would be luck; above the second a slowdown by half could pass."""


@dataclass(frozen=True)
class Limit:
    """A committed ratio and the factor by which it may be exceeded."""

    ratio: float
    margin: float

    @classmethod
    def of(cls, ratios: list[float]) -> Limit:
        """From repeated runs: twice the largest excess over their median, at least 15 %.

        Raises ``ValueError`` if that is more than 35 %: such a check could not tell a slowdown by half from noise.
        """
        middle = statistics.median(ratios)
        margin = max(LEAST_MARGIN, 1.0 + 2.0 * (max(ratios) / middle - 1.0))
        if margin > MOST_MARGIN:
            raise ValueError(
                f"The ratios {min(ratios):.3g} to {max(ratios):.3g} spread too far for a limit: a margin of "
                f"{margin:.2f} would hide a slowdown; measure on an idle machine, or drop the check."
            )
        return cls(middle, margin)

    def holds(self, found: Median) -> bool:
        """Whether the interval reaches down to the limit."""
        return found.low <= self.ratio * self.margin


def measure(rounds: int = ROUNDS) -> dict[str, Median]:
    """The ratio of each check, now."""
    return {name: check(rounds) for name, check in CHECKS.items()}


def verdicts(found: dict[str, Median], limits: dict[str, Limit]) -> list[str]:
    """What is wrong, a sentence each: too slow, or not in the committed file."""
    wrong = []
    for name, ratio in found.items():
        if name not in limits:
            wrong.append(f"{name}: no committed limit; run with --write on an idle machine.")
        elif not limits[name].holds(ratio):
            limit = limits[name]
            wrong.append(
                f"{name}: {ratio.value:.3g} [{ratio.low:.3g}, {ratio.high:.3g}] times the reference, committed "
                f"{limit.ratio:.3g}, limit {limit.ratio * limit.margin:.3g}."
            )
    return wrong


def committed() -> dict[str, Limit]:
    """The limits of ``gate.json``; none if there is no such file, so that every check says what to do."""
    if not FILE.exists():
        return {}
    return {name: Limit(**limit) for name, limit in json.loads(FILE.read_text())["limits"].items()}


def write(repeats: int) -> None:
    """Measure idle and under load by turns and commit the limits."""
    runs = []
    for k in range(repeats):
        with busy_cores(k % 2 == 1):
            runs.append(measure())
    limits = {name: vars(Limit.of([run[name].value for run in runs])) for name in CHECKS}
    made = f"python -m tests.benchmarks.gate --write --repeat {repeats}, torch {torch.__version__}"
    FILE.write_text(json.dumps({"made by": made, "limits": limits}, indent=2) + "\n")


def check(limits: dict[str, Limit]) -> list[str]:
    """One run: print its ratios; what is wrong."""
    found = measure()
    for name, ratio in found.items():
        limit = limits[name].ratio * limits[name].margin if name in limits else float("nan")
        print(f"{name:<58} {ratio.value:7.3f} [{ratio.low:.3f}, {ratio.high:.3f}]  limit {limit:.3f}", flush=True)
    return verdicts(found, limits) + counts.differences()


def main() -> int:
    """Exit status 0 if every run was green, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, metavar="N", help="that many runs (default 1; with --write 10)")
    parser.add_argument("--load", action="store_true", help="keep all cores busy meanwhile")
    parser.add_argument("--plant", action="store_true", help="make every direction take half its time again")
    parser.add_argument("--write", action="store_true", help="make the limits anew")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.repeat or 10)
        return 0
    limits, repeats, red = committed(), arguments.repeat or 1, 0
    with busy_cores(arguments.load), slowed_direction(arguments.plant):
        for run in range(repeats):
            wrong = check(limits)
            red += bool(wrong)
            print("\n".join(wrong) or "green", f"(run {run + 1} of {repeats})", flush=True)
    if repeats > 1:
        print(f"{repeats - red} of {repeats} runs green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
