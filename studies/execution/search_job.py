"""A trial of a search: the proposal's runs on all tuning seeds, one after another."""

from collections.abc import Sequence
from statistics import fmean

from optuna.trial import Trial

from studies.execution.job import Cancelled, TrialResult, Work
from studies.execution.provenance import environment
from studies.planning.search import SearchPlan
from studies.training.loop import train
from studies.variants.variant import Variant


class SearchJob:
    """How the trials of a search become work."""

    def __init__(self, plan: SearchPlan) -> None:
        self._plan = plan

    @property
    def at_once(self) -> int:
        """One: a later proposal should know what became of this one."""
        return 1

    def works(self, trials: Sequence[Trial]) -> list[Work]:
        """Return the training of what each trial proposes."""
        return [self._work(trial) for trial in trials]

    def _work(self, trial: Trial) -> Work:
        choice, lr = self._plan.space.suggest(trial)
        variant = self._plan.space.variant(choice)
        steps = self._plan.steps * self._plan.seeds
        name = f"{trial.user_attrs['cell']} lr={lr:.3g}"
        return Work(trials=(trial,), name=name, steps=steps, do=lambda cancelled: [self._train(variant, lr, cancelled)])

    def _train(self, variant: Variant, lr: float, cancelled: Cancelled) -> TrialResult:
        plan = self._plan
        outcomes = [
            train(
                variant, lr, seed, task=plan.task, architecture=plan.architecture, schedule=plan.schedule,
                cancelled=cancelled,
            )
            for seed in plan.seed_numbers
        ]  # fmt: skip
        losses = [outcome.validation_loss for outcome in outcomes]
        kept = [loss for loss in losses if loss is not None]
        mean = fmean(kept) if len(kept) == len(losses) else None
        seconds = fmean(outcome.seconds for outcome in outcomes)
        about = {
            "losses": losses, "seconds": seconds, "method": repr(variant.method), "environment": environment(),
        }  # fmt: skip
        value = float("inf") if mean is None else mean
        return TrialResult(value=[value, seconds] if plan.timed else value, about=about, loss=mean)
