"""The command ``search``: its options, and what it does with them."""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from studies.analysis.search import importance, proposals, write_trials
from studies.errors import require_at_least
from studies.execution.directory_lock import directory_lock
from studies.execution.provenance import provenance
from studies.execution.run_search import run_search
from studies.execution.storage import given_storage
from studies.execution.store import STUDY, Store
from studies.execution.worker_pool import usable_cores
from studies.planning.estimate import duration, seconds_a_step
from studies.planning.experiment import CHARACTERS, text_for
from studies.planning.search import SearchPlan
from studies.reports.html import replace_file
from studies.reports.search_page import write_search_page
from studies.reports.search_tables import print_search
from studies.tasks import load_text
from studies.variants.names import FACTORS, REFERENCE


@dataclass(frozen=True, kw_only=True)
class Search:
    """Search all design choices and the learning rate at once, and tell how much each choice matters.

    The first trials are drawn evenly from the space, the others proposed by TPE. With --factorial every combination
    of the chosen factors' levels runs instead, and the importances are exact. The same command continues a search.
    """

    factors: tuple[str, ...] = tuple(FACTORS)
    """The design choices to search; all of them without it."""
    base: str = REFERENCE
    """The recipe whose other parts stay: ADAQN or ADAQN_RESCALED."""
    trials: int = 200
    """Proposals, each trained on all seeds."""
    even: int = 60
    """How many of them are drawn evenly; the importances rest on these."""
    timed: bool = False
    """Snapshot for low loss and few seconds at once; prints the proposals that no other beats in both."""
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
    task: str = CHARACTERS
    """The task, as for ablate."""
    model: str = "lstm"
    """The model, as for ablate."""
    sampler_seed: int = 0
    """Seed of the evenly drawn points and of TPE. TPE's proposals also depend on which runs end first."""
    out: Path | None = None
    """Directory of the journal and the results; one under runs/ without it."""
    storage: str | None = None
    """Where the trials are kept, as for ablate."""
    study: str | None = None
    """The study's name in the storage; the directory's name without it."""
    workers: int | None = None
    """Worker processes of one thread each; one per usable core without it."""
    dry_run: bool = False
    """Print how many trials there are and how long they may take, and train nothing."""

    def plan(self) -> SearchPlan:
        """Return the search that the options ask for; `InputError` for what cannot be."""
        require_at_least(0 if given_storage(self.storage) else 1, workers=self.workers)
        return SearchPlan(
            text=text_for(self.task, load_text(self.text)), task_name=self.task, model=self.model, base=self.base,
            factors=self.factors, steps=self.steps,
            seeds=self.seeds, trials=self.trials, even=self.even, timed=self.timed, factorial=self.factorial,
            rates=self.rates, sampler_seed=self.sampler_seed,
        )  # fmt: skip


def search(options: Search, command: str) -> int:
    """Run the search, print what it found and the paths of its files; return 0, or 1 when a trial failed."""
    plan = options.plan()
    workers = usable_cores() if options.workers is None else options.workers
    if options.dry_run:
        print(_estimate(plan, workers))
        return 0
    digest = hashlib.sha256(json.dumps(plan.configuration(), sort_keys=True).encode()).hexdigest()
    out = options.out or Path("runs") / f"search-{plan.model}-{digest[:6]}"
    storage = given_storage(options.storage)
    with directory_lock(out):
        name = options.study or (STUDY if storage is None else out.name)
        store = Store(out, storage, name, objectives=2 if plan.timed else 1)
        store.claim_for(plan.configuration(), provenance(command, workers))
        errors = run_search(plan, store, workers=workers, text=options.text)
        found = proposals(plan, store.snapshot())
        matters = importance(plan, found)
        replace_file(out / "trials.csv", lambda path: write_trials(plan, found, path))
        write_search_page(plan, found, matters, store.attributes["provenance"], out)
    print_search(plan, found, matters, sys.stdout)
    for path in (out / "report.html", out / "trials.csv"):
        print(path)
    for key, error in errors.items():
        print(f"{key} failed twice: {error}", file=sys.stderr)
    return 1 if errors else 0


def _estimate(plan: SearchPlan, workers: int) -> str:
    """Return in a sentence how many trials there are and how long they may take."""
    pace = seconds_a_step(plan.space.base.variant, task=plan.task, architecture=plan.architecture)
    seconds = pace * plan.steps * plan.seeds * plan.size / max(workers, 1)
    return (
        f"{plan.size} trials of {plan.seeds} runs of {plan.steps} steps; at the pace of {plan.base} this takes about "
        f"{duration(seconds)} on {max(workers, 1)} workers."
    )
