"""A record of made-up runs, in no time: two variants tuned in two rounds, and one whose tuning diverged."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies.__main__ import main
from studies.analysis.summary import Summary, summary_of
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.planning.plan import Run, tuning_losses
from studies.planning.record import Record
from studies.reports.record_pages import BEGIN, END
from studies.reports.rows import write_rows
from studies.tasks import Text
from studies.training.outcome import Outcome, Point

STEPS = 40
ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.7", "torch": "2.13.0+cpu", "adaqn-lab": "0.1.0", "optuna": "5.0.0",
    "commit": "32bb098740e1841d6ac0362d67f0df49c0a0805e", "device": "cpu", "torch_threads": 1,
}  # fmt: skip
PROVENANCE: dict[str, Any] = {
    "started": "2026-11-25T17:53:31+00:00", "command": "python -m studies ablate --rounds 1", "workers": 2,
    "system": "Linux", "processor": "a processor", **ENVIRONMENT,
}  # fmt: skip


def outcome(loss: float | None, adaqn: bool) -> Outcome:
    """A run whose loss falls evenly from 4, or which diverged half-way."""
    steps = STEPS // 2 if loss is None else STEPS
    marks = [step for step in range(0, STEPS + 1, 10) if loss is not None or step < steps]
    points = [Point(steps=k, seconds=k / 100, loss=4 + ((loss or 4) - 4) * k / STEPS) for k in marks]
    if loss is not None:
        points[-1] = replace(points[-1], loss=loss)
    told: dict[str, Any] = {}
    if adaqn:
        told = {"admitted": 1, "skipped": 1, "rollbacks": 0, "steps_skipped": 0, "calls": {"monitor loss": 2}}
        told["events"] = ((20, "ADMITTED"), (40, "SKIPPED"))
    return Outcome(
        diverged=loss is None, validation_loss=loss, test_loss=None if loss is None else loss + 0.1, steps=steps,
        seconds=points[-1].seconds, curve=tuple(points), **told,
    )  # fmt: skip


def records_of(experiment: Experiment, environment: dict[str, Any] = ENVIRONMENT) -> list[Record]:
    """Play the study: all cells that its plan asks for, the runs of AdaGrad with none that does not diverge."""
    draw, found = random.Random(0), dict[str, Record]()

    def run(cell: Run) -> None:
        loss = None if cell.variant == "AdaGrad" else 2 + abs(cell.lr - 0.1) + draw.gauss(0.0, 0.01)
        done = outcome(loss, cell.variant == "ADAQN")
        method = repr(experiment.chosen[cell.variant].with_fields(cell.fields).method)
        found.setdefault(cell.key, Record(cell=cell, outcome=done, method=method, environment=environment))

    for variant in experiment.plan.rates:
        for _ in range(experiment.budget.rounds + 1):
            losses = tuning_losses(variant, list(found.values()))
            for cell in experiment.plan.tuning_due(variant, losses, found)[0]:
                run(cell)
    for variant in experiment.plan.rates:
        if (choice := experiment.plan.chosen(variant, list(found.values()))) is not None:
            for cell in experiment.plan.evaluation(variant, choice):
                run(cell)
    return list(found.values())


def experiment_of(text: Text, rounds: int = 1) -> Experiment:
    """Three variants, two rates and two more in each round, two tuning seeds, three evaluation seeds."""
    budget = Budget(steps=STEPS, rates=2, tuning_seeds=2, seeds=3, rounds=rounds)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("ADAQN", "Adam", "AdaGrad"))


def summary_with(text: Text, environment: dict[str, Any] = ENVIRONMENT) -> Summary:
    """The summary of the made-up study."""
    experiment = experiment_of(text)
    return summary_of(experiment.configuration(), PROVENANCE, records_of(experiment, environment))


def write_record(summary: Summary, record: Path) -> None:
    """Make the record's folder and let the command fill it."""
    record.mkdir(parents=True)
    environments = list({json.dumps(found.environment): found.environment for found in summary.records}.values())
    told = {"study": summary.provenance, "runs": environments}
    for name, value in (("configuration.json", summary.configuration), ("environment.json", told)):
        (record / name).write_text(json.dumps(value, indent=1), encoding="utf-8")
    write_rows(summary.records, record / "rows.csv")
    (record / "README.md").write_text(f"# What?\n\nBy hand.\n\n{BEGIN}\n{END}\n\n## Caveats\n", encoding="utf-8")
    assert main(["record", "--regenerate", str(record)]) == 0
