"""The plan of a search: which trials, decided before the first one runs, and what identifies it in a storage."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from optuna.samplers import BaseSampler, TPESampler

from studies.errors import InputError, one_of, require_at_least
from studies.models import Architecture, architecture
from studies.planning.budget import FIRST_TUNING_SEED
from studies.planning.experiment import CHARACTERS, text_for, what_differs
from studies.planning.search_space import HIGHEST, LOWEST, Space
from studies.tasks import Task, Text, named_task
from studies.training.schedule import Schedule
from studies.variants.names import FACTORS, bases

SEARCH = "search"
MOST_TRIALS = 5000
STORED = (
    *("model", "base", "steps", "seeds", "trials", "even", "timed", "factorial"),
    *("rates", "sampler_seed", "task_name"),
)
"""Fields of a plan which its configuration keeps as they are."""


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """A search of ``trials`` proposals, of which the first ``even`` are drawn evenly and the others by TPE.

    Each proposal is trained on ``seeds`` tuning seeds; its value is their mean validation loss, infinite if one
    diverged, and with ``timed`` also its seconds. ``factorial``: instead, every combination of levels at ``rates``
    learning rates.
    """

    text: Text
    model: str
    base: str
    factors: tuple[str, ...]
    steps: int
    seeds: int
    trials: int
    even: int
    timed: bool = False
    factorial: bool = False
    rates: int = 3
    sampler_seed: int = 0
    task_name: str = CHARACTERS

    def __post_init__(self) -> None:
        require_at_least(1, steps=self.steps, seeds=self.seeds, trials=self.trials, rates=self.rates)
        require_at_least(0, even=self.even)
        for name in self.factors:
            one_of("factor", name, FACTORS)
        one_of("base", self.base, bases(1))
        if self.size > MOST_TRIALS:
            raise InputError(f"{self.size} trials are more than {MOST_TRIALS}: name fewer --factors, or fewer --rates.")
        _ = self.architecture, self.task

    @cached_property
    def task(self) -> Task:
        """The task that every run is trained on."""
        return named_task(self.task_name, self.text)

    @cached_property
    def architecture(self) -> Architecture:
        """The model that every run trains."""
        return architecture(self.model)

    @cached_property
    def space(self) -> Space:
        """The levels and learning rates to search."""
        batch_size = self.task.batch_size
        return Space(base=bases(batch_size)[self.base], factors=self.factors, batch_size=batch_size)

    @property
    def schedule(self) -> Schedule:
        """Length and stopping rule of a run."""
        return Schedule(steps=self.steps)

    @property
    def seed_numbers(self) -> range:
        """The tuning seeds."""
        return range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.seeds)

    @property
    def size(self) -> int:
        """Number of trials."""
        return self.space.combinations * self.rates if self.factorial else self.trials

    def points(self) -> dict[str, dict[str, Any]]:
        """Return every trial's parameters by its key: of those that the sampler shall propose, none."""
        if self.factorial:
            found = self.space.factorial(self.space.base.variant.grid(self.rates))
        else:
            even = min(self.even, self.trials)
            found = [*self.space.evenly(even, self.sampler_seed), *({} for _ in range(self.trials - even))]
        return {f"{SEARCH} {number}": point for number, point in enumerate(found)}

    @property
    def even_keys(self) -> set[str]:
        """The keys of the trials whose points were drawn evenly."""
        return {f"{SEARCH} {number}" for number in range(0 if self.factorial else min(self.even, self.trials))}

    def sampler(self, seed: int) -> BaseSampler:
        """Return TPE with its settings pinned, which differ between Optuna's versions.

        The random start is no business of its own: those points are enqueued.
        """
        return TPESampler(
            seed=seed,
            n_startup_trials=0,
            multivariate=True,
            group=False,
            constant_liar=True,
            warn_independent_sampling=False,
        )

    def configuration(self) -> dict[str, Any]:
        """Return all that decides the search's results, as JSON values."""
        return {
            "kind": SEARCH,
            "text": self.text.name,
            "text_sha256": self.text.sha256,
            "windows": self.task.sizes,
            "architecture": asdict(self.architecture),
            "schedule": asdict(self.schedule),
            **{name: getattr(self, name) for name in STORED},
            "factors": {
                name: {label: repr(level.change(self.space.base.recipe)) for label, level in levels.items()}
                for name, levels in self.space.levels.items()
            },
            "lr": [LOWEST, HIGHEST],
        }

    @classmethod
    def from_configuration(cls, stored: dict[str, Any], text: Text) -> "SearchPlan":
        """Return the plan that ``stored`` describes, on ``text``; `InputError` when text or code have become others."""
        text = text_for(stored["task_name"], text)
        plan = cls(text=text, factors=tuple(stored["factors"]), **{name: stored[name] for name in STORED})
        if differences := what_differs(stored, plan.configuration()):
            raise InputError(
                f"The search cannot be continued by this code: {differences}; start another one with --out."
            )
        return plan
