"""The command ``convex``: its options, and what it does with them."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studies.commands.study_options import StudyOptions, carry_out, report_end
from studies.errors import InputError, counted

if TYPE_CHECKING:
    from studies.convex.study import ConvexStudy


@dataclass(frozen=True, kw_only=True)
class Convex(StudyOptions):
    """Compare every recipe on a convex problem: logistic regression, against the optimum of SciPy's L-BFGS-B.

    Every method tunes its learning rate on the same grid, then runs the same seeds. The same command continues where
    it was interrupted, and prints the table again when nothing is left to do.
    """

    recipes: tuple[str, ...] = ()
    """Recipes to compare, by their names in adaqn_lab.recipes, or SGD, Adam, AdaGrad, RMSProp, SGD-Nesterov,
    AdamW; without it all recipes and the first three of these. module:NAME is a Recipe of your own."""
    data: Literal["digits", "breast-cancer"] = "digits"
    """Data set of scikit-learn: 5 to 9 against 0 to 4 of the digits, or the breast-cancer data."""
    batch: int | None = None
    """Examples of a mini-batch; curvature batches have four times as many. 64 for digits, 32 for breast cancer."""
    epochs: int = 20
    """Passes over the data of a run."""
    seeds: int = 5
    """Evaluation seeds."""
    dry_run: bool = False
    """Print how much there is to do, and train nothing."""
    decay: bool = False
    """Let every method's learning rate fall linearly to 0, instead of keeping it constant."""

    def convex(self) -> ConvexStudy:
        """Return the study that the options ask for; `InputError` for what cannot be."""
        from studies.convex.study import ConvexStudy

        self.check()
        if self.equipment.device != "cpu":
            raise InputError(f"--device {self.device} is nothing for problems of 64 numbers or so: leave it out.")
        return ConvexStudy(
            data=self.data,
            batch=self.batch,
            epochs=self.epochs,
            seeds=self.seeds,
            decay=self.decay,
            recipes=self.recipes,
        )

    def directory(self, study: ConvexStudy) -> Path:
        """Return ``--out`` or a name under runs/, with a hash of the configuration when it is not the default."""
        if self.out is not None:
            return self.out
        plain = (self.data, self.batch, self.epochs, self.seeds, self.decay) == ("digits", None, 20, 5, False)
        settings = {name: value for name, value in study.configuration().items() if name != "methods"}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return Path("runs") / ("convex" if plain else f"convex-{digest[:6]}")


def convex(options: Convex, command: str) -> int:
    """Run the comparison, print the table and the paths of the files; return 0, or 1 when a cell failed."""
    from studies.analysis.convex import summarise
    from studies.analysis.mixed import mixed as mixed_code
    from studies.execution.directory_lock import directory_lock
    from studies.reports.convex import print_convex, write_files

    study = options.convex()
    options.check_equipment(study)
    out = options.directory(study)
    if exists(out / "results.jsonl"):
        raise InputError(
            f"{out} holds results of version 0.1 (results.jsonl), which this one does not read: give another directory "
            "with --out."
        )
    if options.dry_run:
        study, found = options.at_present(study, out)
        left, runs = counted(study.remaining(found, {}).total(), "cell"), counted(study.seeds, "run")
        print(f"{left} left to do; each method has one for its tuning, then {runs} at its best rate.")
        return 0
    with directory_lock(out):
        study, store, errors = carry_out(study, options, out, command)
        found = store.snapshot().results
        results, mixed = study.results(found), mixed_code(result.environment for result in found.values())
        rows = summarise(results)
        origin = store.attributes["provenance"] | {name: version(name) for name in ("scipy", "scikit-learn")}
        paths = write_files(rows, results, study, study.floor, origin, out, mixed) if rows else []
    if rows:
        print_convex(rows, study, study.floor, sys.stdout, mixed)
    return report_end(paths, errors)
