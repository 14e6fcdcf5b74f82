"""A search: which trials, decided before the first one runs, and what each of them trains."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import inf
from statistics import fmean
from typing import Any, ClassVar, Self

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler

from studies.errors import InputError, one_of, require_at_least
from studies.planning.budget import FIRST_TUNING_SEED
from studies.planning.configuration import check_growth
from studies.planning.course import Course, Sizes
from studies.planning.experiment import CHARACTERS
from studies.planning.on_a_task import StudyOnATask, text_for
from studies.planning.search_space import HIGHEST, LOWEST, LR, Space
from studies.planning.study import Cancelled, Cell, Results
from studies.tasks import Text
from studies.training.schedule import Schedule
from studies.variants.names import FACTORS, bases

SEARCH = "search"
MOST_TRIALS = 5000
STORED = (
    *("model", "base", "steps", "seeds", "trials", "even", "timed", "factorial"),
    *("rates", "sampler_seed", "task_name"),
)
"""What a configuration keeps of a plan's fields as they are."""


@dataclass(frozen=True, kw_only=True)
class SearchPlan(StudyOnATask):
    """A search of ``trials`` proposals, of which the first ``even`` are drawn evenly and the others by TPE.

    Each proposal is trained on ``seeds`` tuning seeds; its value is their mean validation loss, infinite if one
    diverged, and with ``timed`` also its seconds. ``factorial``: instead, every combination of levels at ``rates``
    learning rates.
    """

    kind: ClassVar[str] = SEARCH
    unit: ClassVar[str] = "trial"

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
    tf32: bool = False
    sizes: Sizes = Sizes()
    course: Course = Course()

    def __post_init__(self) -> None:
        require_at_least(1, steps=self.steps, seeds=self.seeds, trials=self.trials, rates=self.rates)
        require_at_least(0, even=self.even)
        for name in self.factors:
            one_of("factor", name, FACTORS)
        one_of("base", self.base, bases(1))
        if self.size > MOST_TRIALS:
            raise InputError(f"{self.size} trials are more than {MOST_TRIALS}: name fewer --factors, or fewer --rates.")
        _ = self.architecture, self.schedule, self.task
        self.space.require_reprs()

    @cached_property
    def space(self) -> Space:
        """The levels and learning rates to search."""
        batch_size = self.task.batch_size
        return Space(base=bases(batch_size)[self.base], factors=self.factors, batch_size=batch_size)

    @property
    def schedule(self) -> Schedule:
        """Length and stopping rule of a run."""
        return self.course.of(self.steps)

    @property
    def seed_numbers(self) -> range:
        """The tuning seeds."""
        return range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.seeds)

    @property
    def size(self) -> int:
        """Number of trials."""
        return self.space.combinations * self.rates if self.factorial else self.trials

    @property
    def objectives(self) -> int:  # type: ignore[override]
        """Loss, and seconds with ``timed``."""
        return 2 if self.timed else 1

    def cells(self, found: Results, given_up: Container[str]) -> list[Cell]:
        """Return every trial: the parameters of those that the sampler shall propose are empty."""
        points: list[dict[str, Any]]
        if self.factorial:
            points = self.space.factorial(self.space.base.variant.grid(self.rates))
        else:
            even = min(self.even, self.trials)
            points = [*self.space.evenly(even, self.sampler_seed), *({} for _ in range(self.trials - even))]
        return [Cell(f"{SEARCH} {number}", point) for number, point in enumerate(points)]

    def remaining(self, found: Results, given_up: Container[str]) -> Counter[str]:
        """Return the number of trials to do."""
        keys = (f"{SEARCH} {number}" for number in range(self.size))
        return Counter({self.kind: sum(key not in found and key not in given_up for key in keys)})

    def steps_of(self, cell: Cell) -> int:
        """Return the steps of a trial, of all its seeds."""
        return self.steps * self.seeds

    def proposed(self) -> Mapping[str, BaseDistribution]:
        """Return the space."""
        return self.space.distributions

    def sampler(self, begun: int) -> BaseSampler:
        """Return TPE with its settings pinned, which differ between Optuna's versions.

        The random start is no business of its own: those points are enqueued.
        """
        return TPESampler(
            seed=self.sampler_seed + begun, n_startup_trials=0, multivariate=True, group=False, constant_liar=True,
            warn_independent_sampling=False,
        )  # fmt: skip

    def do(self, cells: Sequence[Cell], cancelled: Cancelled, device: str) -> list[dict[str, Any]]:
        """Train what a trial proposes on all tuning seeds: one after another on a CPU, side by side on a GPU."""
        (cell,) = cells
        variant = self.space.variant({name: str(cell.parameters[name]) for name in self.space.levels})
        runs = [(float(cell.parameters[LR]), seed) for seed in self.seed_numbers]
        outcomes = [
            outcome
            for batch in ([[run] for run in runs] if device == "cpu" else [runs])
            for outcome in self.train(variant, batch, cancelled, device)
        ]  # fmt: skip
        seconds = fmean(outcome.seconds for outcome in outcomes)
        losses = [outcome.validation_loss for outcome in outcomes]
        return [{"losses": losses, "seconds": seconds, "method": repr(variant.method)}]

    def values(self, result: Mapping[str, Any]) -> list[float]:
        """Return the mean loss, infinite if a run diverged, and with ``timed`` the seconds."""
        kept = [loss for loss in result["losses"] if loss is not None]
        mean = fmean(kept) if len(kept) == len(result["losses"]) else inf
        return [mean, result["seconds"]] if self.timed else [mean]

    @property
    def even_keys(self) -> set[str]:
        """The keys of the trials whose points were drawn evenly."""
        return {f"{SEARCH} {number}" for number in range(0 if self.factorial else min(self.even, self.trials))}

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
            "tf32": self.tf32,
            "factors": {
                name: {label: repr(level.change(self.space.base.recipe)) for label, level in levels.items()}
                for name, levels in self.space.levels.items()
            },
            "lr": [LOWEST, HIGHEST],
        }

    @classmethod
    def from_configuration(cls, stored: Mapping[str, Any], text: Text) -> Self:
        """Return the plan that ``stored`` describes, on ``text``; `InputError` when text or code have become others."""
        return cls(
            text=text_for(stored["task_name"], text),
            factors=tuple(stored["factors"]),
            tf32=stored.get("tf32", False),
            sizes=Sizes.stored(stored),
            course=Course.stored(stored),
            **{name: stored[name] for name in STORED},
        ).same_as(stored)

    def grown_from(self, stored: Mapping[str, Any]) -> Self:
        """Return this search; it may have more trials than the stored one."""
        check_growth(stored, self.configuration(), numbers=() if self.factorial else ("trials",))
        return self
