"""The command ``search``: its options, and what it does with them."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studies.commands import choices
from studies.commands.study_options import carry_out, report_end
from studies.commands.training_options import TrainingOptions
from studies.errors import require_named

if TYPE_CHECKING:
    from studies.planning.search import SearchPlan


@dataclass(frozen=True, kw_only=True)
class Search(TrainingOptions):
    """Search all design choices and the learning rate at once, and tell how much each choice matters.

    The first trials are drawn evenly from the space, the others proposed by TPE. With --factorial every combination
    of the chosen factors' levels runs instead, and the importances are exact. The same command continues a search.
    """

    factors: tuple[choices.Factor, ...] | None = None
    """The design choices to search; all of them without it."""
    base: choices.Base = "ADAQN"
    """The recipe whose other parts stay."""
    trials: int = 200
    """Proposals, each trained on all seeds."""
    even: int = 60
    """How many of them are drawn evenly; the importances rest on these."""
    timed: bool = False
    """Look for low loss and few seconds at once; prints the proposals that no other beats in both."""
    factorial: bool = False
    """Run every combination of the factors' levels at --rates learning rates, instead of proposals."""
    rates: int = 3
    """Learning rates of a factorial, around the base's."""
    steps: int = 600
    """Steps of a run."""
    seeds: int = 2
    """Tuning seeds of a proposal."""
    text: Path | None = None
    """A UTF-8 text file to learn; the King James Bible without it."""
    task: choices.Task = "characters"
    """The task, as for ablate."""
    model: choices.Model = "lstm"
    """The model, as for ablate."""
    tf32: bool = False
    """Round the factors of float32 products to TF32, as for ablate."""
    sampler_seed: int = 0
    """Seed of the evenly drawn points and of TPE. TPE's proposals also depend on which runs end first."""

    def plan(self) -> SearchPlan:
        """Return the search that the options ask for; `InputError` for what cannot be."""
        from studies.execution.reading import read
        from studies.planning.on_a_task import text_for
        from studies.planning.search import SearchPlan
        from studies.variants.names import FACTORS

        self.check()
        require_named("factor", factors=self.factors)
        return SearchPlan(
            text=text_for(self.task, read(self.text)), task_name=self.task, model=self.model, base=self.base,
            factors=self.factors or tuple(FACTORS), steps=self.steps,
            seeds=self.seeds, trials=self.trials, even=self.even, timed=self.timed, factorial=self.factorial,
            rates=self.rates, sampler_seed=self.sampler_seed, tf32=self.tf32, sizes=self.sizes,
            course=self.course(),
        )  # fmt: skip


def search(options: Search, command: str) -> int:
    """Run the search, print what it found and the paths of its files; return 0, or 1 when a trial failed."""
    from studies.execution.directory_lock import directory_lock
    from studies.planning.estimate import search_estimate

    plan = options.plan()
    options.check_equipment(plan)
    digest = hashlib.sha256(json.dumps(plan.configuration(), sort_keys=True).encode()).hexdigest()
    out = options.out or Path("runs") / f"search-{plan.model}-{digest[:6]}"
    if options.dry_run:
        print(search_estimate(*options.at_present(plan, out), options.processes))
        return 0
    # Slow to load, so not for a refusal; before the runs, so that what is not installed is told before hours of work.
    from studies.analysis.search import importance, proposals
    from studies.reports.html import replace_file
    from studies.reports.search_page import write_search_page
    from studies.reports.search_tables import print_search, write_trials

    with directory_lock(out):
        plan, store, errors = carry_out(plan, options, out, command)
        found = proposals(plan, store.snapshot())
        matters = importance(plan, found)
        replace_file(out / "trials.csv", lambda path: write_trials(plan, found, path))
        write_search_page(plan, found, matters, store.attributes["provenance"], out)
    print_search(plan, found, matters, sys.stdout)
    return report_end([out / "report.html", out / "trials.csv"], errors)
