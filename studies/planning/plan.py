"""The plan of an ablation: which runs it consists of, and which learning rate the tuning chose."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any

from studies.errors import InputError
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED, Budget
from studies.planning.study import Cell
from studies.planning.tuning import RATES_A_ROUND, next_rates

if TYPE_CHECKING:
    from studies.planning.record import Record


class Phase(StrEnum):
    """Tuning chooses each variant's learning rate; evaluation compares the variants at it."""

    TUNE = "tune"
    EVALUATE = "evaluate"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an ablation: what its cell does."""

    phase: Phase
    variant: str
    lr: float
    seed: int

    @property
    def key(self) -> str:
        """The cell's name in the storage: ``"tune ADAQN lr=0.1 seed=10000"``."""
        return f"{self.phase} {self.variant} lr={self.lr!r} seed={self.seed}"

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.key, {**asdict(self), "phase": str(self.phase)})

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Run":
        """Return the run that a cell's parameters describe."""
        return cls(**{**parameters, "phase": Phase(parameters["phase"])})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cells of a study: ``rates`` maps each variant to its learning rates, ascending."""

    rates: Mapping[str, tuple[float, ...]]
    budget: Budget

    def __post_init__(self) -> None:
        for variant, rates in self.rates.items():
            for lr in rates:
                if not (lr > 0 and isfinite(lr)):
                    raise InputError(
                        f"lr={lr} for {variant} takes no step downhill: give learning rates that are "
                        "positive and finite with --lr."
                    )

    def tuning(self, variant: str, rates: Sequence[float] | None = None) -> list[Run]:
        """Return the variant's tuning cells at ``rates``, at those of its first grid without."""
        seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.budget.tuning_seeds)
        tried = self.rates[variant] if rates is None else rates
        return [Run(phase=Phase.TUNE, variant=variant, lr=lr, seed=seed) for lr in tried for seed in seeds]

    def tuning_due(
        self, variant: str, losses: Iterable[tuple[float, float | None]], finished: Container[str]
    ) -> tuple[list[Run], int]:
        """Return the tuning runs that can be done by now, and how many rounds follow when they are finished.

        ``losses``: (lr, loss) of its finished tuning runs, ``None`` for one that diverged. A round is planned when all
        runs of the rates before it are ``finished`` (keys), so the plan depends on results and on nothing else.
        """
        rates, found = list(self.rates[variant]), list(losses)
        for done in range(self.budget.rounds):
            if any(run.key not in finished for run in self.tuning(variant, rates)):
                return self.tuning(variant, rates), self.budget.rounds - done
            best = best_rate((lr, loss) for lr, loss in found if lr in rates)
            rates += [rate for rate in next_rates(rates, best) if rate not in rates]
        return self.tuning(variant, rates), 0

    def chosen_rate(self, variant: str, records: Iterable["Record"]) -> float | None:
        """Return the learning rate that the variant's finished tuning runs chose, ``None`` if all diverged.

        Chosen among those of this plan: a study that grew may have tried others before, with fewer seeds.
        """
        losses = tuning_losses(variant, records)
        planned = {run.lr for run in self.tuning_due(variant, losses, _Everything())[0]}
        return best_rate((lr, loss) for lr, loss in losses if lr in planned)

    def by_variant(self, records: Sequence["Record"], finished: Container[str]) -> dict[str, tuple[list[Run], int]]:
        """Return for each variant the runs that can be planned by now, and the number of those to come."""
        planned = {}
        for name in self.rates:
            runs, rounds = self.tuning_due(name, tuning_losses(name, records), finished)
            later = rounds * RATES_A_ROUND * self.budget.tuning_seeds
            if rounds or any(run.key not in finished for run in runs):
                later += self.budget.seeds
            elif (lr := self.chosen_rate(name, records)) is not None:
                runs = [*runs, *self.evaluation(name, lr)]
            planned[name] = runs, later
        return planned

    def evaluation(self, variant: str, lr: float) -> list[Run]:
        """Return the variant's evaluation cells, whose seeds every variant shares."""
        seeds = range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + self.budget.seeds)
        return [Run(phase=Phase.EVALUATE, variant=variant, lr=lr, seed=seed) for seed in seeds]

    @property
    def size(self) -> int:
        """Number of runs when every variant has a learning rate to evaluate."""
        added = RATES_A_ROUND * self.budget.rounds
        tuning = sum(len(rates) + added for rates in self.rates.values()) * self.budget.tuning_seeds
        return tuning + len(self.rates) * self.budget.seeds


def best_rate(losses: Iterable[tuple[float, float | None]]) -> float | None:
    """Return the learning rate with the fewest diverged runs, then the least mean validation loss.

    ``losses`` holds (lr, loss) of the finished tuning runs, with ``None`` for a run that diverged. ``None``
    comes back when every run diverged. Equal means go to the smaller rate.
    """
    by_rate: dict[float, list[float | None]] = {}
    for lr, loss in losses:
        by_rate.setdefault(lr, []).append(loss)
    scores = []
    for lr, found in by_rate.items():
        kept = [loss for loss in found if loss is not None]
        if kept:
            scores.append((len(found) - len(kept), fmean(kept), lr))
    return min(scores)[2] if scores else None


def tuning_losses(variant: str, records: Iterable["Record"]) -> list[tuple[float, float | None]]:
    """Return (lr, validation loss) of the variant's finished tuning runs, ``None`` for one that diverged."""
    return [
        (record.cell.lr, record.outcome.validation_loss)
        for record in records
        if record.cell.variant == variant and record.cell.phase == Phase.TUNE
    ]


def plan_of(configuration: Mapping[str, Any]) -> Plan:
    """Return the plan of the study with this configuration."""
    names = ("steps", "tuning_seeds", "seeds")
    numbers = {name: configuration[name] for name in names}
    rates = {name: tuple(stored["lr"]) for name, stored in configuration["variants"].items()}
    return Plan(rates=rates, budget=Budget(**numbers, rates=1, rounds=configuration.get("rounds", 0)))


class _Everything:
    """A container of everything."""

    def __contains__(self, key: object) -> bool:
        return True
