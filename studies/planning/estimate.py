"""How long will a study take? Told before it starts, from timing a few steps of each variant."""

from statistics import fmean

from studies.errors import counted
from studies.models import Architecture
from studies.planning.experiment import Experiment
from studies.planning.search import SearchPlan
from studies.planning.study import Results
from studies.tasks import Task
from studies.training.loop import prepare_process, train
from studies.training.schedule import Schedule
from studies.variants.variant import Variant

PROBE_STEPS = 45


def estimate(experiment: Experiment, found: Results, workers: int) -> str:
    """Return in a sentence how many runs are left after those ``found``, and how long ``workers`` may take."""
    task, architecture = experiment.task, experiment.architecture
    paces = [seconds_a_step(variant, task=task, architecture=architecture) for variant in experiment.chosen.values()]
    per_run = fmean(paces) * experiment.budget.steps
    size, left = experiment.plan.size, experiment.remaining(found, {}).total()
    told = (
        f"{left} of {counted(size, 'run')} of {counted(experiment.budget.steps, 'step')} are left; at {per_run:.1f} s "
        f"a run"
    )
    return f"{told} {_on(workers, per_run * left)}"


def search_estimate(plan: SearchPlan, found: Results, workers: int) -> str:
    """Return in a sentence how many trials are left after those ``found``, and how long they may take."""
    pace = seconds_a_step(plan.space.base.variant, task=plan.task, architecture=plan.architecture)
    left = plan.remaining(found, {}).total()
    return (
        f"{left} of {counted(plan.size, 'trial')} of {counted(plan.seeds, 'run')} of {counted(plan.steps, 'step')} are "
        f"left; at the pace of {plan.base} {_on(workers, pace * plan.steps * plan.seeds * left)}"
    )


def _on(workers: int, seconds: float) -> str:
    """Return how long so many seconds of work take."""
    if workers == 0:
        return f"this takes about {duration(seconds)} of one worker."
    return f"on {counted(workers, 'worker')} this takes about {duration(seconds / workers)}."


def seconds_a_step(variant: Variant, *, task: Task, architecture: Architecture) -> float:
    """Return the seconds of a step, from training a few with the variant's central learning rate."""
    prepare_process()
    schedule = Schedule(steps=PROBE_STEPS, points=1)
    return (
        train(variant, variant.centre, 0, task=task, architecture=architecture, schedule=schedule).seconds / PROBE_STEPS
    )


def duration(seconds: float) -> str:
    """Return ``seconds`` in the unit that reads best.

    >>> duration(45), duration(600), duration(9000)
    ('45 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
