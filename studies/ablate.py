"""The command ``ablate``: its options, and what it does with them."""

import errno
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

from filelock import FileLock, Timeout

from studies.crew import usable_cores
from studies.experiment import Experiment
from studies.plan import BUDGETS, Budget
from studies.provenance import provenance
from studies.refusal import Refusal, one_of, require_at_least
from studies.report import write_report
from studies.run import run
from studies.store import Store
from studies.summary import summarise
from studies.table import print_table
from studies.tasks import load_text
from studies.training import Schedule, prepare_process, train

_PROBE_STEPS = 45


@dataclass(frozen=True, kw_only=True)
class Ablate:
    """Compare adaQN with its one-field variants and with first-order baselines.

    Every variant tunes its learning rate with the same number of runs, then runs the same seeds. Results are
    kept in a journal file: the same command continues where it was interrupted, and prints the table again
    when nothing is left to do.
    """

    text: Path | None = None
    """A UTF-8 text file to learn; the King James Bible without it."""
    model: str = "lstm"
    """lstm, lstm-2 (two layers), lstm-2-dropout (wider), rnn-tanh, rnn-tanh-3, rnn-relu or rnn-relu-3."""
    variants: tuple[str, ...] = ()
    """Variants to compare; without it: ADAQN, ADAQN-RMSProp, ADAQN-BarzilaiBorwein, ADAQN-no-guard,
    ADAQN-Fisher-sum, ADAQN-Fisher-batch, ADAQN-no-pairs, Adam, AdaGrad, RMSProp. By name also the baselines
    SGD-Nesterov, AdamW, Muon, Shampoo, SOAP, K-FAC, Hessian-free; recipes of the family: ADAQN_RESCALED,
    ADAQN_GAUSS_NEWTON, ADAQN_ADAM, ADAQN_COSINE, ADAQN_PER_TENSOR, ADAQN_ROUNDED, ADAQN_SKETCHED,
    ADAQN_TRUST, ASNAQ, SDLBFGS, MLBFGS, DOUBLE_DAMPED, SQN_BY_DIFFERENCE; and Fisher
    stores: store-last-100, store-last-20, store-last-10, store-rounded, store-sketched, store-streaming."""
    budget: str = "small"
    """small (minutes) or full (hours; prints an estimate first)."""
    out: Path | None = None
    """Directory of the journal and the report; one under runs/ without it."""
    workers: int | None = None
    """Worker processes of one thread each; one per usable core without it."""
    steps: int | None = None
    """Steps of a run, instead of the budget's."""
    seeds: int | None = None
    """Evaluation seeds, instead of the budget's."""
    tuning_seeds: int | None = None
    """Tuning seeds for each learning rate, instead of the budget's."""
    rates: int | None = None
    """Learning rates that each variant tries, instead of the budget's."""
    lr: tuple[float, ...] | None = None
    """Learning rates for every variant, instead of the variants' own grids."""

    def experiment(self) -> Experiment:
        """Return the experiment that the options ask for; `Refusal` for what cannot be."""
        require_at_least(1, workers=self.workers)
        if self.lr == ():
            raise Refusal("--lr names no learning rate: give one or more after it, or leave it out.")
        budget = BUDGETS[one_of("budget", self.budget, BUDGETS)]
        given = {f.name: getattr(self, f.name) for f in fields(Budget) if getattr(self, f.name) is not None}
        return Experiment(
            text=load_text(self.text),
            model=self.model,
            budget=replace(budget, **given),
            variants=self.variants,
            lr=self.lr,
        )

    def directory(self, experiment: Experiment) -> Path:
        """Return ``--out`` or a name under runs/, with a hash of the configuration when it is not the budget's."""
        if self.out is not None:
            return self.out
        text = "kjv" if self.text is None else self.text.stem
        plain = replace(self, text=None, model="lstm", budget="small", workers=None) == Ablate()
        digest = hashlib.sha256(json.dumps(experiment.configuration(), sort_keys=True).encode()).hexdigest()
        return Path("runs") / "-".join([text, self.model, self.budget, *([] if plain else [digest[:6]])])


def ablate(options: Ablate, command: str) -> int:
    """Run the ablation, print the table and the paths of the report; return 0, or 1 when a run failed."""
    experiment = options.experiment()
    out = options.directory(experiment)
    workers = options.workers or usable_cores()
    with owned(out):
        store = Store(out)
        store.claim_for(experiment.configuration(), provenance(command, workers))
        if options.budget == "full":
            print(_estimate(experiment, store, workers), file=sys.stderr)
        try:
            errors = run(experiment, store, workers=workers, text=options.text)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"Stopped: {len(store.records())} of {experiment.plan.size} runs are finished and kept in {out}; "
                "the same command continues with the others."
            ) from None
        summary = summarise(store)
        paths = write_report(summary, out, errors)
    print_table(summary, sys.stdout)
    for path in paths:
        print(path)
    for cell, error in errors.items():
        print(f"{cell} failed twice: {error}", file=sys.stderr)
    return 1 if errors else 0


@contextmanager
def owned(out: Path) -> Iterator[None]:
    """Make the directory and hold its lock, so that one command at a time plans in it."""
    way_out = "give a directory that can be written with --out"
    lock = FileLock(out / "command.lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Refusal(
            f"Another command is at work in {out}: wait for its end, or give another directory with --out."
        ) from None
    except (FileExistsError, NotADirectoryError) as error:
        raise Refusal(f"{out} is or lies in a file, not a directory: {way_out}.") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise Refusal(f"{out} cannot be written ({error.strerror}): {way_out}.") from error
    try:
        yield
    finally:
        lock.release()


def _estimate(experiment: Experiment, store: Store, workers: int) -> str:
    """Return how many runs are left and how long they may take, from timing a few steps of each variant."""
    prepare_process()
    task, architecture = experiment.task, experiment.architecture
    schedule = Schedule(steps=_PROBE_STEPS, points=1)
    seconds = sum(
        train(variant, variant.centre, 0, task=task, architecture=architecture, schedule=schedule).seconds
        for variant in experiment.chosen.values()
    )
    per_run = seconds / len(experiment.chosen) / _PROBE_STEPS * experiment.budget.steps
    left = experiment.plan.size - len(store.records())
    hours = per_run * left / workers / 3600
    return (
        f"{left} of {experiment.plan.size} runs of {experiment.budget.steps} steps are left; at {per_run:.0f} s a "
        f"run on {workers} workers this takes about {hours:.1f} hours."
    )
