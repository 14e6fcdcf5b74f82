"""How long will a study take? Told before it starts, from timing a few steps of each variant."""

from studies.experiment import Experiment
from studies.training import Schedule, prepare_process, train

PROBE_STEPS = 45


def estimate(experiment: Experiment, finished: int, workers: int) -> str:
    """Return in a sentence how many runs are left and how long they may take on ``workers`` processes."""
    prepare_process()
    task, architecture = experiment.task, experiment.architecture
    schedule = Schedule(steps=PROBE_STEPS, points=1)
    seconds = sum(
        train(variant, variant.centre, 0, task=task, architecture=architecture, schedule=schedule).seconds
        for variant in experiment.chosen.values()
    )
    per_run = seconds / len(experiment.chosen) / PROBE_STEPS * experiment.budget.steps
    size, left = experiment.plan.size, experiment.plan.size - finished
    told = f"{left} of {size} runs of {experiment.budget.steps} steps are left; at {per_run:.1f} s a run"
    if workers == 0:
        return f"{told} this takes about {_duration(per_run * left)} of one worker."
    return f"{told} on {workers} workers this takes about {_duration(per_run * left / workers)}."


def _duration(seconds: float) -> str:
    """Return ``seconds`` in the unit that reads best.

    >>> _duration(45), _duration(600), _duration(9000)
    ('45 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
