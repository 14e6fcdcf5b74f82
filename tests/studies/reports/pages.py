"""The four pages without training: an ablation with a variant far away, a search, a convex comparison, throughput."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path

from studies.analysis.convex import summarise
from studies.analysis.search import Proposal, importance
from studies.analysis.summary import Summary, summary_of
from studies.convex.problem import Floor
from studies.convex.study import ConvexStudy, MethodResult
from studies.convex.training import Mark, Trial
from studies.execution.throughput import Rate
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.planning.plan import Phase
from studies.planning.record import Record
from studies.planning.search import SearchPlan
from studies.planning.search_space import LR
from studies.reports import convex, throughput
from studies.reports.html import write_page
from studies.reports.search_page import write_search_page
from studies.tasks import Text
from studies.training.outcome import Outcome, Point
from tests.studies.reports.made_up import ENVIRONMENT, PROVENANCE

STEPS, SEEDS = 600, 10
SHIFTS: dict[str, float] = {
    "ADAQN": 0.0, "ADAQN-no-guard": 0.02, "ADAQN-RMSProp": -0.04, "Adam": 0.05, "AdaGrad": -0.01, "RMSProp": 0.03,
    "ADAQN-BarzilaiBorwein": 1.6,
}  # fmt: skip
FAR = "ADAQN-BarzilaiBorwein"


def _outcome(end: float, adaqn: bool, draw: random.Random) -> Outcome:
    marks = range(0, STEPS + 1, 30)
    losses = [end + (4.1 - end) * 0.012 ** (k / STEPS) ** 0.5 + draw.gauss(0.0, 0.004) for k in marks]
    losses[-1] = end
    points = tuple(Point(steps=k, seconds=k / 60, loss=loss) for k, loss in zip(marks, losses, strict=True))
    events = tuple((k, "ADMITTED" if draw.random() < 0.8 else "ROLLED_BACK") for k in range(40, STEPS, 20))
    pairs = {"admitted": 22, "skipped": 2, "rollbacks": 4, "steps_skipped": 0} if adaqn else {}
    return Outcome(
        diverged=False, validation_loss=end, test_loss=end - 0.05, steps=STEPS, seconds=10.0, curve=points,
        events=events if adaqn else (), calls={"monitor loss": 30} if adaqn else {}, **pairs,
    )  # fmt: skip


def study(text: Text, shifts: Mapping[str, float] = SHIFTS, seeds: int = SEEDS) -> Summary:
    """An ablation whose variants differ by the shifts, with noise that the seeds share and some of their own."""
    draw = random.Random(2)
    budget = Budget(steps=STEPS, rates=4, tuning_seeds=1, seeds=seeds)
    made = Experiment(text=text, model="lstm", budget=budget, variants=tuple(shifts))
    shared = [draw.gauss(0.0, 0.02) for _ in range(seeds)]
    records = []
    for variant, shift in shifts.items():
        choices = made.plan.trials[variant].choices
        for cell in made.plan.tuning(variant) + made.plan.evaluation(variant, choices[1]):
            off = 0.3 * abs(choices.index(cell.choice) - 1)
            noise = shared[cell.seed % 100] if cell.phase == Phase.EVALUATE else 0.0
            end = 1.7 + shift + off + noise + draw.gauss(0.0, 0.006)
            done = _outcome(end, variant.startswith("ADAQN"), draw)
            method = repr(made.chosen[variant].method)
            records.append(Record(cell=cell, outcome=done, method=method, environment=ENVIRONMENT))
    return summary_of(made.configuration(), PROVENANCE, records)


def renamed(summary: Summary, names: Mapping[str, str]) -> Summary:
    """The same study, some of its variants under other names."""
    stored = summary.configuration
    variants = {names.get(name, name): value for name, value in stored["variants"].items()}
    records = [
        replace(run, cell=replace(run.cell, variant=names.get(run.cell.variant, run.cell.variant)))
        for run in summary.records
    ]
    reference = names.get(summary.reference, summary.reference)
    return summary_of({**stored, "variants": variants, "reference": reference}, summary.provenance, records)


def ablation_page(text: Text, directory: Path) -> None:
    """Write the page of `study`."""
    write_page(study(text), directory, {})


def search_page(text: Text, directory: Path) -> None:
    """Write the page of a search of 40 trials, of which one diverged."""
    plan = SearchPlan(
        text=text, model="rnn-tanh", base="ADAQN", factors=("guard", "scaling"), steps=9, seeds=1, trials=40, even=30
    )
    draw, found = random.Random(3), []
    for number, cell in enumerate(plan.cells({}, set())):
        choice = {name: draw.choice(list(levels)) for name, levels in plan.space.levels.items()}
        loss = inf if number == 7 else 2.0 + 0.3 * len(choice["scaling"]) / 10 + draw.random()
        found.append(Proposal(
            key=cell.key, choice=choice, lr=float(cell.parameters.get(LR, 0.1)), loss=loss, losses=(loss,),
            seconds=1.0 + draw.random(), method="Recipe()",
        ))  # fmt: skip
    found.sort(key=lambda proposal: proposal.loss)
    write_search_page(plan, found, importance(plan, found), PROVENANCE, directory)


def convex_page(text: Text, directory: Path) -> None:
    """Write the page of a convex comparison of three methods, a run of which diverged."""
    study, draw, results = ConvexStudy(data="breast-cancer", epochs=4, seeds=3, recipes=("ADAQN", "SQN", "Adam")), \
        random.Random(4), []  # fmt: skip
    for place, name in enumerate(study.methods):
        trials = []
        for seed in range(3):
            gaps = [10.0 ** (0.8 - epoch * (1.4 - 0.3 * place) + 0.1 * draw.random()) for epoch in range(5)]
            curve = tuple(Mark(epoch, 1.5 * epoch, epoch / 10, gap) for epoch, gap in enumerate(gaps))
            trials.append(Trial(0.1, seed, place == 2 and seed == 1, curve, 40, 0, 5, 4, 1, 0))
        results.append(MethodResult(name, name, 0.1, place == 1, (), tuple(trials)))
    floor = Floor(value=0.05, gradient=1e-9, evaluations=30, w=(0.0,), noise=1.0)
    convex.write_files(summarise(results), results, study, floor, PROVENANCE, directory)


def throughput_page(text: Text, directory: Path) -> None:
    """Write the page of a measurement with a way that did not fit."""
    shares = {"data": 0.1, "gradients": 0.5, "optimizer": 0.3, "launches": 0.2}
    rates = [
        Rate(way="own process", per_minute=20.0, times=0.57, runs=1, memory=2**30, seconds=0.01, shares=shares),
        *(Rate(way=f"R = {r}", per_minute=34.5 + r, times=1 + r / 34, runs=r, memory=2**30, seconds=0.01, shares=shares)
          for r in (1, 4, 16)),
        Rate(way="R = 64", runs=64, ended="out of memory"),
        Rate(way="products only", per_minute=9000.0, times=260.0),
    ]  # fmt: skip
    throughput.write_files("Adam on lstm", rates, ["R = 16 is the fastest."], ENVIRONMENT,
                           "python -m studies throughput --out t", directory)  # fmt: skip


PAGES: dict[str, Callable[[Text, Path], None]] = {
    "ablation": ablation_page, "search": search_page, "convex": convex_page, "throughput": throughput_page,
}  # fmt: skip
