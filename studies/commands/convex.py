"""The command ``convex``: its options, and what it does with them."""

import hashlib
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from studies.analysis.convex import summarise
from studies.convex.engine import Setting, run_all
from studies.convex.lines import Lines
from studies.convex.methods import choose_methods
from studies.convex.problem import DATA, optimum
from studies.convex.training import Samples
from studies.errors import InputError, require_at_least
from studies.execution.directory_lock import directory_lock
from studies.execution.provenance import provenance
from studies.execution.worker_pool import usable_cores
from studies.planning.budget import Budget
from studies.reports.convex import print_convex, write_files


@dataclass(frozen=True, kw_only=True)
class Convex:
    """Compare every recipe on a convex problem: logistic regression, against the optimum of SciPy's L-BFGS-B.

    Every method tunes its learning rate on the same grid, then runs the same seeds. The same command continues where
    it was interrupted, and prints the table again when nothing is left to do.
    """

    recipes: tuple[str, ...] = ()
    """Recipes to compare, by their names in adaqn_lab.recipes, or SGD, Adam, AdaGrad; all of them without it."""
    data: Literal["digits", "breast-cancer"] = "digits"
    """Data set of scikit-learn: 5 to 9 against 0 to 4 of the digits, or the breast-cancer data."""
    batch: int | None = None
    """Examples of a mini-batch; curvature batches have four times as many. 64 for digits, 32 for breast cancer."""
    epochs: int = 20
    """Passes over the data of a run."""
    seeds: int = 5
    """Evaluation seeds."""
    decay: bool = False
    """Let every method's learning rate fall linearly to 0, instead of keeping it constant."""
    out: Path | None = None
    """Directory of the results; one under runs/ without it."""
    workers: int | None = None
    """Worker processes of one thread each; one per usable core without it."""

    def directory(self, configuration: dict[str, Any]) -> Path:
        """Return ``--out`` or a name under runs/, with a hash of the configuration when it is not the default."""
        if self.out is not None:
            return self.out
        plain = (self.data, self.batch, self.epochs, self.seeds, self.decay) == ("digits", None, 20, 5, False)
        digest = hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()
        return Path("runs") / ("convex" if plain else f"convex-{digest[:6]}")


def convex(options: Convex, command: str) -> int:
    """Run the comparison, print the table and the paths of the files; return 0, or 1 when a method failed."""
    require_at_least(1, workers=options.workers, epochs=options.epochs, batch=options.batch)
    Budget(steps=1, rates=1, tuning_seeds=1, seeds=options.seeds)  # refuses seeds out of range
    problem = DATA[options.data].load()
    batch = options.batch or DATA[options.data].batch
    if batch > problem.examples:
        raise InputError(f"--batch {batch} is more than the {problem.examples} examples of {options.data}: give fewer.")
    methods = choose_methods(options.recipes, batch)
    floor = optimum(problem)
    setting = Setting(
        data=options.data,
        samples=Samples.of(batch, problem.examples),
        epochs=options.epochs,
        seeds=options.seeds,
        floor=floor.value,
        decay=options.decay,
    )
    out = options.directory(setting.configuration())
    workers = options.workers or usable_cores()
    with directory_lock(out):
        origin = provenance(command, workers) | {name: version(name) for name in ("scipy", "scikit-learn")}
        lines = Lines(out, setting.configuration(), origin)
        try:
            errors = run_all(methods, setting, lines, workers)
        except KeyboardInterrupt:
            kept = sum(lines.find(method) is not None for method in methods)
            raise KeyboardInterrupt(
                f"Stopped: {kept} of {len(methods)} methods are finished and kept in {out}; the same command "
                "continues with the others."
            ) from None
        results = [result for method in methods if (result := lines.find(method)) is not None]
        rows = summarise(results)
        paths = write_files(rows, results, setting, floor, lines.provenance, out) if rows else []
    if rows:
        print_convex(rows, setting, floor, sys.stdout)
    for path in paths:
        print(path)
    for name, error in errors.items():
        print(f"{name} failed: {error}", file=sys.stderr)
    return 1 if errors else 0
