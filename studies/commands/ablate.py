"""The command ``ablate``: its options, and what it does with them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studies.commands import choices
from studies.commands.export_options import ExportOptions
from studies.commands.protocols import PROTOCOLS
from studies.commands.study_options import StudyOptions, carry_out, report_end, say
from studies.commands.training_options import TrainingOptions
from studies.errors import InputError, one_of, require_named
from studies.planning.budget import BUDGETS, Budget

if TYPE_CHECKING:
    from studies.planning.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Ablate(TrainingOptions, ExportOptions):
    """Compare adaQN with its one-field variants and with first-order baselines.

    Every variant tunes its learning rate, and what --tune names beside it, with the same number of runs, then runs the
    same seeds. Results are kept in a journal file: the same command continues where it was interrupted, and prints the
    table again when nothing is left to do.
    """

    text: Path | None = None
    """A UTF-8 text file to learn, or a directory with train.txt, valid.txt and test.txt; the King James Bible without
    it. A directory's files, and a file with the word <unk> or <eos>, are taken to be split into words by blanks, as the
    Penn Treebank's are."""
    model: choices.Model = "lstm"
    """The network; lstm-2 has two layers, lstm-2-dropout is wider."""
    task: choices.Task = "characters"
    """What is learned: characters or words of the text, words-2000 the 2000 most frequent words instead of 10 000
    (faster), -carried with a state that goes on from batch to batch; adding, copy and markov need no text, and their
    answers are known."""
    factor: choices.Factor | None = None
    """One design choice: compares the base with the choice's other levels."""
    base: str | None = None
    """What differences are taken to: the recipe that a --factor is changed around, ADAQN or ADAQN_RESCALED, else any
    of the variants; ADAQN without it, or the first of the variants where ADAQN is not one of them."""
    variants: tuple[str, ...] | None = None
    """Variants to compare, beside a --factor's if there is one; without both: ADAQN, ADAQN-RMSProp,
    ADAQN-BarzilaiBorwein, ADAQN-no-guard, ADAQN-Fisher-sum, ADAQN-Fisher-batch, ADAQN-no-pairs, Adam, AdaGrad,
    RMSProp. The command variants lists all that are known; module:NAME is a Recipe or a studies.Variant of your own,
    from a module in this directory or an installed one."""
    budget: choices.Budget | None = None
    """small (minutes), answer (more seeds and refined rates, so that differences can be tested) or full (hours;
    prints an estimate first), or smoke (seconds; shows that a set-up works); answer without it when there is a
    --factor, else small."""
    tf32: bool = False
    """Round the factors of float32 products to TF32, which GPUs since Ampere multiply several times faster; the study
    is then of that precision, and a CPU cannot do it."""
    protocol: choices.Protocol = "rates"
    """rates tunes the learning rate alone, at a constant rate. tuned stands for --schedule linear --tune momentum decay
    beta1 beta2 trust damping --draws 4 --rates 5 --tuning-seeds 2 --seeds 10 and, without --factor and --variants, for
    AdaGrad, RMSProp, Adam, Muon, K-FAC, SOAP, ADAQN and ADAQN_RESCALED; an option that you give counts instead."""
    tune: tuple[choices.TunedField, ...] | None = None
    """Fields that are tuned beside the learning rate, by the variants that have them; decay is that of the squared
    gradients. Takes --draws."""
    draws: int | None = None
    """Trials for each learning rate: the method's own fields and draws - 1 points of those in --tune; a variant that
    has none of them tries as many more rates. 1 without it, or the protocol's."""
    steps: int | None = None
    """Steps of a run, instead of the budget's."""
    seeds: int | None = None
    """Evaluation seeds, instead of the budget's."""
    tuning_seeds: int | None = None
    """Tuning seeds for each learning rate, instead of the budget's."""
    rates: int | None = None
    """Learning rates that each variant tries, instead of the budget's."""
    rounds: int | None = None
    """Rounds in which each variant tries two more rates, around its best or beyond the edge where it lies, instead
    of the budget's."""
    lr: tuple[float, ...] | None = None
    """Learning rates for every variant, instead of the variants' own grids."""

    def experiment(self) -> Experiment:
        """Return the experiment that the options ask for; `InputError` for what cannot be."""
        from studies.execution.reading import read
        from studies.planning.experiment import Experiment
        from studies.planning.on_a_task import text_for
        from studies.variants.names import bases, known_variants
        from studies.variants.own import is_own

        self.check()
        self.check_exports()
        if self.base is not None and (self.factor or not is_own(self.base)):
            one_of("base", self.base, bases(1) if self.factor else known_variants(1))
        require_named("variant", variants=self.variants)
        require_named("learning rate", lr=self.lr)
        require_named("field", tune=self.tune)
        protocol = PROTOCOLS[one_of("protocol", self.protocol, PROTOCOLS)]
        budget = replace(BUDGETS[one_of("budget", self.budget_name, BUDGETS)], **protocol.budget)
        draws = protocol.draws if self.draws is None else self.draws
        given = {f.name: getattr(self, f.name) for f in fields(Budget) if getattr(self, f.name) is not None}
        return Experiment(
            text=text_for(self.task, read(self.text)),
            model=self.model,
            budget=replace(budget, **given),
            variants=self._chosen() or protocol.variants,
            lr=self.lr,
            reference=self.base,
            factor=self.factor,
            task_name=self.task,
            tf32=self.tf32,
            sizes=self.sizes,
            course=self.course(protocol.schedule),
            tune=(protocol.tune if draws > 1 else ()) if self.tune is None else self.tune,
            draws=draws,
        )

    @property
    def budget_name(self) -> str:
        """The budget: the given one, or the default of the kind of study."""
        return self.budget or ("small" if self.factor is None else "answer")

    def _chosen(self) -> tuple[str, ...]:
        from studies.tasks import usual_batch_size
        from studies.variants.names import REFERENCE, factor_variants

        if self.factor is None:
            return self.variants or ()
        batch_size = usual_batch_size(self.task) if self.batch_size is None else self.batch_size
        around = factor_variants(self.factor, self.base or REFERENCE, batch_size)
        return (*(variant.name for variant in around), *(self.variants or ()))

    def directory(self, experiment: Experiment) -> Path:
        """Return ``--out`` or a name under runs/, with a hash of the configuration when it is not the budget's."""
        from studies.tasks import TASKS

        if self.out is not None:
            return self.out
        text = "kjv" if self.text is None else self.text.stem
        told = {"text", "budget", "factor", "task", "model", "protocol"}
        told_or_no_matter = told | {f.name for f in (*fields(StudyOptions), *fields(ExportOptions))}
        plain = all(getattr(self, f.name) == f.default for f in fields(self) if f.name not in told_or_no_matter)
        digest = hashlib.sha256(json.dumps(experiment.configuration(), sort_keys=True).encode()).hexdigest()
        if self.task != "characters":
            text = self.task if TASKS[self.task].synthetic else f"{text}-{self.task}"
        protocol = [] if self.protocol == "rates" else [self.protocol]
        named = [text, self.model, *([self.factor] if self.factor else []), *protocol, self.budget_name]
        return Path("runs") / "-".join([*named, *([] if plain else [digest[:6]])])


def check_base(options: Ablate, experiment: Experiment, out: Path) -> None:
    """Raise `InputError` when --base is none of the variants, those of a study in place among them."""
    base = options.base
    if base in (None, *experiment.chosen) or base in options.at_present(experiment, out)[0].chosen:
        return
    raise InputError(f"--base {base} is none of the variants: name it by --variants too, or leave --base out.")


def check_tuned(experiment: Experiment, names: Sequence[str]) -> None:
    """Raise `InputError` for a field that none of the study's variants has; a study in place may have more of them."""
    for name in names:
        if name in experiment.untuned:
            others = ", ".join(field for field in experiment.tunable if field != name) or "none"
            raise InputError(
                f"--tune {name} is for nothing: none of {', '.join(experiment.chosen)} has it; their fields are "
                f"{others}, so leave {name} out or add a variant that has it."
            )


def ablate(options: Ablate, command: str) -> int:
    """Run the ablation, print the table and the paths of the report; return 0, or 1 when a run failed."""
    from studies.execution.directory_lock import directory_lock
    from studies.planning.estimate import estimate

    experiment = options.experiment()
    options.check_equipment(experiment)
    out = options.directory(experiment)
    check_base(options, experiment, out)
    if options.tune and (missing := experiment.untuned):
        check_tuned(options.at_present(experiment, out)[0], missing)
    if options.dry_run:
        print(estimate(*options.at_present(experiment, out), options.processes))
        return 0
    # Slow to load, so not for a refusal; before the runs, so that what is not installed is told before hours of work.
    from studies.analysis.summary import summarise
    from studies.reports.console import print_table
    from studies.reports.html import write_report

    with directory_lock(out):
        if options.budget_name == "full":
            say(estimate(*options.at_present(experiment, out), options.processes))
        _, store, errors = carry_out(experiment, options, out, command)
        summary = summarise(store)
        paths = write_report(summary, out, errors)
        options.export(summary, store)
    print_table(summary, sys.stdout)
    return report_end(paths, errors)
