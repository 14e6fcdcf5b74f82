"""The plan of an ablation: which runs it consists of, and which learning rate and settings the tuning chose."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED, Budget
from studies.planning.study import Cell
from studies.planning.trials import Choice, Trials, best_rate, fields_of
from studies.planning.tuning import RATES_A_ROUND, next_rates
from studies.variants.tuned import Fields, told

if TYPE_CHECKING:
    from studies.planning.record import Record


class Phase(StrEnum):
    """Tuning chooses each variant's learning rate; evaluation compares the variants at it."""

    TUNE = "tune"
    EVALUATE = "evaluate"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an ablation: what its cell does. ``fields``: the settings that are not the variant's own."""

    phase: Phase
    variant: str
    lr: float
    seed: int
    fields: Fields = ()

    @property
    def key(self) -> str:
        """The cell's name in the storage: ``"tune ADAQN lr=0.1 momentum=0.8 seed=10000"``."""
        fields = f" {told(self.fields)}" if self.fields else ""
        return f"{self.phase} {self.variant} lr={self.lr!r}{fields} seed={self.seed}"

    @property
    def choice(self) -> Choice:
        """What it is tried or evaluated at."""
        return Choice(self.lr, self.fields)

    @property
    def told(self) -> dict[str, Any]:
        """The run as JSON values, without fields where it has none."""
        values = {"phase": str(self.phase), "variant": self.variant, "lr": self.lr, "seed": self.seed}
        return {**values, "fields": dict(self.fields)} if self.fields else values

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.key, self.told)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Run":
        """Return the run that a cell's parameters describe."""
        fields = fields_of(parameters.get("fields", {}))
        return cls(**{**parameters, "phase": Phase(parameters["phase"]), "fields": fields})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cells of a study: ``trials`` maps each variant to what it tries first."""

    trials: Mapping[str, Trials]
    budget: Budget

    @property
    def rates(self) -> dict[str, tuple[float, ...]]:
        """Each variant's first learning rates, ascending."""
        return {variant: trials.rates for variant, trials in self.trials.items()}

    def tuning(self, variant: str, choices: Sequence[Choice] | None = None) -> list[Run]:
        """Return the variant's tuning cells at ``choices``, at its first ones without."""
        tried = self.trials[variant].choices if choices is None else choices
        return [run for choice in tried for run in self._runs(Phase.TUNE, variant, choice)]

    def evaluation(self, variant: str, choice: Choice) -> list[Run]:
        """Return the variant's evaluation cells, whose seeds every variant shares."""
        return self._runs(Phase.EVALUATE, variant, choice)

    def _runs(self, phase: Phase, variant: str, choice: Choice) -> list[Run]:
        tuning = phase == Phase.TUNE
        first, count = FIRST_EVALUATION_SEED, self.budget.seeds
        if tuning:
            first, count = FIRST_TUNING_SEED, self.budget.tuning_seeds
        seeds = range(first, first + count)
        return [Run(phase=phase, variant=variant, lr=choice.lr, seed=s, fields=choice.fields) for s in seeds]

    def tuning_due(
        self, variant: str, losses: Iterable[tuple[Choice, float | None]], finished: Container[str]
    ) -> tuple[list[Run], int]:
        """Return the tuning runs that can be done by now, and how many rounds follow when they are finished.

        ``losses``: (choice, loss) of its finished tuning runs, ``None`` for one that diverged. A round is planned when
        all runs before it are ``finished`` (keys), so the plan depends on results and on nothing else. It tries other
        rates at the best's fields.
        """
        choices, found = self.trials[variant].choices, list(losses)
        for done in range(self.budget.rounds):
            if any(run.key not in finished for run in self.tuning(variant, choices)):
                return self.tuning(variant, choices), self.budget.rounds - done
            best = best_rate((choice, loss) for choice, loss in found if choice in choices)
            choices += [choice for choice in _next(choices, best) if choice not in choices]
        return self.tuning(variant, choices), 0

    def chosen(self, variant: str, records: Iterable["Record"]) -> Choice | None:
        """Return what the variant's finished tuning runs chose, ``None`` if all diverged.

        Chosen among those of this plan: a study that grew may have tried others before, with fewer seeds.
        """
        losses = tuning_losses(variant, records)
        planned = {run.choice for run in self.tuning_due(variant, losses, _Everything())[0]}
        return best_rate((choice, loss) for choice, loss in losses if choice in planned)

    def by_variant(self, records: Sequence["Record"], finished: Container[str]) -> dict[str, tuple[list[Run], int]]:
        """Return for each variant the runs that can be planned by now, and the number of those to come."""
        planned = {}
        for name in self.trials:
            runs, rounds = self.tuning_due(name, tuning_losses(name, records), finished)
            later = rounds * RATES_A_ROUND * self.budget.tuning_seeds
            if rounds or any(run.key not in finished for run in runs):
                later += self.budget.seeds
            elif (choice := self.chosen(name, records)) is not None:
                runs = [*runs, *self.evaluation(name, choice)]
            planned[name] = runs, later
        return planned

    @property
    def size(self) -> int:
        """Number of runs when every variant has a learning rate to evaluate."""
        added = RATES_A_ROUND * self.budget.rounds
        tuning = sum(len(trials.choices) + added for trials in self.trials.values()) * self.budget.tuning_seeds
        return tuning + len(self.trials) * self.budget.seeds


def _next(choices: Sequence[Choice], best: Choice | None) -> list[Choice]:
    fields = best.fields if best else ()
    rates = [choice.lr for choice in choices if choice.fields == fields]
    return [Choice(lr, fields) for lr in next_rates(rates, best.lr if best else None)]


def tuning_losses(variant: str, records: Iterable["Record"]) -> list[tuple[Choice, float | None]]:
    """Return (choice, validation loss) of the variant's finished tuning runs, ``None`` for one that diverged."""
    return [
        (record.cell.choice, record.outcome.validation_loss)
        for record in records
        if record.cell.variant == variant and record.cell.phase == Phase.TUNE
    ]


def plan_of(configuration: Mapping[str, Any]) -> Plan:
    """Return the plan of the study with this configuration."""
    names = ("steps", "tuning_seeds", "seeds")
    numbers = {name: configuration[name] for name in names}
    trials = {name: trials_of(stored) for name, stored in configuration["variants"].items()}
    return Plan(trials=trials, budget=Budget(**numbers, rates=1, rounds=configuration.get("rounds", 0)))


def trials_of(stored: Mapping[str, Any]) -> Trials:
    """Return the trials of a variant as a configuration holds it."""
    if "tunes" not in stored:
        return Trials(rates=tuple(stored["lr"]))
    points = tuple(fields_of(point["fields"]) for point in stored["tunes"]["points"])
    return Trials(rates=tuple(stored["lr"]), points=points, fields=tuple(stored["tunes"]["fields"]))


@dataclass(frozen=True)
class Either:
    """What is in one container or the other."""

    first: Container[str]
    second: Container[str]

    def __contains__(self, key: object) -> bool:
        return key in self.first or key in self.second


class _Everything:
    """A container of everything."""

    def __contains__(self, key: object) -> bool:
        return True
