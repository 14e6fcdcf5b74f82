"""The showcase as a study: each method tunes its learning rate in one cell, then runs each seed in one."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import inf
from typing import Any, ClassVar, Self

from studies.convex.methods import Method, choose_methods
from studies.convex.problem import DATA, Floor, Logistic, optimum
from studies.convex.training import Samples, Trial, train
from studies.errors import InputError, one_of, require_at_least
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED, Budget
from studies.planning.configuration import check_growth
from studies.planning.plan import Phase
from studies.planning.study import Cancelled, Cell, Results, Study
from studies.planning.trials import best_rate
from studies.tasks import Text
from studies.variants.variant import GRID_STEP

FIRST_DECADE, LAST_DECADE = -3.0, 1.0


def rates(first: float = FIRST_DECADE, last: float = LAST_DECADE) -> tuple[float, ...]:
    """Return learning rates from 10^first to 10^last, half a decade apart, 3 digits each.

    >>> rates(-1, 0)
    (0.1, 0.316, 1.0)
    """
    return tuple(float(f"{10 ** (first + GRID_STEP * k):.3g}") for k in range(round((last - first) / GRID_STEP) + 1))


def beyond(lr: float | None) -> tuple[float, ...]:
    """Return the decade of rates beyond the grid's edge on which ``lr`` lies; nothing for one inside."""
    grid = rates()
    if lr == grid[0]:
        return rates(FIRST_DECADE - 1, FIRST_DECADE - GRID_STEP)
    return rates(LAST_DECADE + GRID_STEP, LAST_DECADE + 1) if lr == grid[-1] else ()


@dataclass(frozen=True)
class MethodResult:
    """All runs of a method, the learning rate chosen (``None``: all tuning diverged), and whether on the edge."""

    name: str
    method: str
    lr: float | None
    at_edge: bool
    tuning: tuple[Trial, ...]
    evaluation: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        lists = {role: [trial.to_json() for trial in getattr(self, role)] for role in ("tuning", "evaluation")}
        return {**vars(self), **lists}


@dataclass(frozen=True, kw_only=True)
class ConvexStudy(Study):
    """Methods on a data set: passes over it, evaluation seeds, and whether the rates fall linearly to 0."""

    kind: ClassVar[str] = "convex"
    reads_text: ClassVar[bool] = False

    data: str = "digits"
    batch: int | None = None
    epochs: int = 20
    seeds: int = 5
    decay: bool = False
    recipes: tuple[str, ...] = ()
    tuning_seeds: int = 3

    def __post_init__(self) -> None:
        require_at_least(1, epochs=self.epochs, batch=self.batch)
        Budget(steps=1, rates=1, tuning_seeds=self.tuning_seeds, seeds=self.seeds)  # refuses seeds out of range
        examples = DATA[one_of("data set", self.data, DATA)].load().examples
        if self.samples.batch > examples:
            raise InputError(f"--batch {self.batch} is more than the {examples} examples of {self.data}: give fewer.")
        _ = self.methods

    @property
    def problem(self) -> Logistic:
        """The problem."""
        return DATA[self.data].load()

    @property
    def samples(self) -> Samples:
        """Sizes of the samples."""
        return Samples.of(self.batch or DATA[self.data].batch, self.problem.examples)

    @cached_property
    def methods(self) -> dict[str, Method]:
        """The methods by name."""
        return {method.name: method for method in choose_methods(self.recipes, self.samples.batch)}

    @cached_property
    def floor(self) -> Floor:
        """The optimum."""
        return optimum(self.problem)

    def configuration(self) -> dict[str, Any]:
        """Return all that decides results, as JSON values; the optimum follows from the data."""
        return {
            "kind": self.kind,
            "data": self.data,
            "samples": asdict(self.samples),
            "epochs": self.epochs,
            "seeds": self.seeds,
            "decay": self.decay,
            "tuning_seeds": self.tuning_seeds,
            "rates": list(rates()),
            "floor": float(f"{self.floor.value:.9g}"),
            "methods": {name: str(method) for name, method in self.methods.items()},
        }

    @classmethod
    def from_configuration(cls, stored: Mapping[str, Any], text: Text | None = None) -> Self:
        """Return the study that ``stored`` describes; `InputError` when the code has become another."""
        names = ("data", "epochs", "seeds", "decay", "tuning_seeds")
        settings = {name: stored[name] for name in names}
        return cls(batch=stored["samples"]["batch"], recipes=tuple(stored["methods"]), **settings).same_as(stored)

    def grown_from(self, stored: Mapping[str, Any]) -> Self:
        """Return this study with the methods of ``stored`` before its own; it may have more methods and seeds."""
        grown = replace(self, recipes=tuple({**stored["methods"], **self.methods}))
        now = grown.configuration()
        check_growth(stored, now, numbers=("seeds",), others=("methods",))
        for name, before in stored["methods"].items():
            if before != now["methods"][name]:
                raise InputError(f"its {name} was another method, {before}")
        return grown

    def group(self, cell: Cell) -> str:
        """Return phase and method: a tuning takes as long as many evaluations."""
        return f"{cell.parameters['phase']} {cell.parameters['method']}"

    def steps_of(self, cell: Cell) -> int:
        """Return the steps of a run; tuning runs twice where the best rate is an edge of the grid."""
        return self.epochs * self.problem.examples // self.samples.batch

    def cells(self, found: Results, given_up: Container[str]) -> list[Cell]:
        """Return the tuning of every method, and the evaluation of those that are tuned."""
        tuning = [_tuning(name) for name in self.methods]
        return [*tuning, *(cell for name in self.methods for cell in self._evaluation(name, found))]

    def remaining(self, found: Results, given_up: Container[str]) -> Counter[str]:
        """Return the number of cells to do by phase and method."""
        left: Counter[str] = Counter()
        for name in self.methods:
            tuning = _tuning(name)
            if tuning.key not in found and tuning.key not in given_up:
                left[self.group(tuning)] = 1
                left[f"{Phase.EVALUATE} {name}"] = self.seeds
            for cell in self._evaluation(name, found):
                left[self.group(cell)] += cell.key not in found and cell.key not in given_up
        return left

    def _evaluation(self, name: str, found: Results) -> list[Cell]:
        tuned = found.get(_tuning(name).key)
        lr = None if tuned is None else tuned.values["lr"]
        if lr is None:
            return []
        seeds = range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + self.seeds)
        return [
            Cell(
                f"{Phase.EVALUATE} {name} lr={lr!r} seed={seed}",
                {"phase": str(Phase.EVALUATE), "method": name, "lr": lr, "seed": seed},
            )
            for seed in seeds
        ]

    def do(self, cells: Sequence[Cell], cancelled: Cancelled, device: str) -> list[dict[str, Any]]:
        """Tune a method on the grid, a decade further where its best rate is the edge; or run it on one seed."""
        (cell,) = cells
        method = self.methods[cell.parameters["method"]]
        if cell.parameters["phase"] == Phase.EVALUATE:
            (trial,) = self._train(method, [cell.parameters["lr"]], [cell.parameters["seed"]], cancelled)
            return [{"method": repr(method.method), "trial": trial.to_json()}]
        spent = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.tuning_seeds)
        tuning = self._train(method, rates(), spent, cancelled)
        lr = best_rate((trial.lr, trial.gap) for trial in tuning)
        if further := beyond(lr):
            tuning += self._train(method, further, spent, cancelled)
            lr = best_rate((trial.lr, trial.gap) for trial in tuning)
        tried = [trial.lr for trial in tuning]
        ends = [replace(trial, curve=trial.curve[-1:]).to_json() for trial in tuning]
        edge = lr in (min(tried), max(tried))
        return [{"method": repr(method.method), "lr": lr, "at_edge": edge, "trials": ends}]

    def _train(self, method: Method, grid: Sequence[float], seeds: Sequence[int], cancelled: Cancelled) -> list[Trial]:
        return train(
            method,
            [(lr, seed) for lr in grid for seed in seeds],
            problem=self.problem,
            floor=self.floor.value,
            epochs=self.epochs,
            samples=self.samples,
            decay=self.decay,
            cancelled=cancelled,
        )

    def values(self, result: Mapping[str, Any]) -> list[float]:
        """Return the gap: of a tuning the least, infinite where all diverged."""
        trials = result["trials"] if "trials" in result else [result["trial"]]
        gaps = [trial.gap for trial in map(Trial.from_json, trials)]
        return [min((gap for gap in gaps if gap is not None), default=inf)]

    def results(self, found: Results) -> list[MethodResult]:
        """Return what each method came to whose runs are finished."""
        return [result for name in self.methods if (result := self._result(name, found)) is not None]

    def _result(self, name: str, found: Results) -> MethodResult | None:
        tuned = found.get(_tuning(name).key)
        runs = [found[cell.key] for cell in self._evaluation(name, found) if cell.key in found]
        if tuned is None or len(runs) < (0 if tuned.values["lr"] is None else self.seeds):
            return None
        return MethodResult(
            name,
            tuned.values["method"],
            tuned.values["lr"],
            tuned.values["at_edge"],
            tuple(map(Trial.from_json, tuned.values["trials"])),
            tuple(Trial.from_json(run.values["trial"]) for run in runs),
        )


def _tuning(name: str) -> Cell:
    return Cell(f"{Phase.TUNE} {name}", {"phase": str(Phase.TUNE), "method": name})
