"""An ablation: task, model, variants and budget; its runs are tuned first and evaluated then."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import inf
from typing import Any, ClassVar, Self

from studies.planning.budget import Budget
from studies.planning.configuration import QUESTION, check_growth, question
from studies.planning.course import Course, Sizes
from studies.planning.on_a_task import StudyOnATask, text_for
from studies.planning.plan import Either, Plan, Run
from studies.planning.record import record_of
from studies.planning.stored_variants import check_kept, stored_variant
from studies.planning.study import Cancelled, Cell, Results
from studies.planning.trials import Trials
from studies.tasks import CharacterTask, Text
from studies.training.packing import choose_runs
from studies.training.schedule import Schedule
from studies.variants.names import FACTORS, REFERENCE, choose_variants
from studies.variants.tuned import NAMES, check_tuning, told
from studies.variants.variant import Variant

CHARACTERS = "characters"


@dataclass(frozen=True, kw_only=True)
class Experiment(StudyOnATask):
    """What is compared on what. No ``variants`` means all of them; ``lr`` replaces every variant's grid.

    Differences are taken to ``reference``, else to ADAQN where it is compared, else to the first variant; ``factor``
    names the design choice that is in question. A synthetic task leaves the text aside.
    Every variant tries rates x ``draws`` trials: points of those fields of ``tune`` that it has, else more rates.
    """

    kind: ClassVar[str] = "ablation"
    together: ClassVar[bool] = True

    text: Text
    model: str
    budget: Budget
    variants: tuple[str, ...] = ()
    lr: tuple[float, ...] | None = None
    reference: str | None = None
    factor: str | None = None
    task_name: str = CHARACTERS
    tf32: bool = False
    sizes: Sizes = Sizes()
    course: Course = Course()
    tune: tuple[str, ...] = ()
    draws: int = 1

    def __post_init__(self) -> None:
        check_tuning(self.tune, self.draws)
        # Everything that a user can get wrong is refused here, before any file is written.
        _ = self.architecture, self.schedule, self.plan, self.task

    @cached_property
    def chosen(self) -> dict[str, Variant]:
        """The variants by name, in the order of the report."""
        return {v.name: v for v in choose_variants(self.variants, self.task.batch_size)}

    @property
    def base(self) -> str:
        """The variant that differences are taken to."""
        return self.reference or (REFERENCE if REFERENCE in self.chosen else next(iter(self.chosen)))

    @property
    def question(self) -> str:
        """What the study asks: the factor's question, that of the usual variants, or how the chosen ones compare."""
        if self.factor:
            return FACTORS[self.factor].question
        usual = {variant.name for variant in choose_variants((), self.task.batch_size)}
        return QUESTION if usual <= self.chosen.keys() else question(self.base, list(self.chosen))

    @property
    def schedule(self) -> Schedule:
        """Length of a run, its rate on the way, and when it stops."""
        return self.course.of(self.budget.steps)

    @cached_property
    def plan(self) -> Plan:
        """The cells of the study."""
        given = None if self.lr is None else tuple(sorted(set(self.lr)))
        trials = {
            name: Trials.of(variant, given or variant.grid(self.budget.rates), self.tune, self.draws)
            for name, variant in self.chosen.items()
        }
        return Plan(trials=trials, budget=self.budget if given is None else replace(self.budget, rounds=0))

    def configuration(self) -> dict[str, Any]:
        """Return all that decides the study's results, as JSON values; equal means the same study."""
        (reference,) = choose_variants((self.base,), self.task.batch_size)
        return {
            "text": self.text.name,
            "text_sha256": self.text.sha256,
            "text_characters": self.text.characters,
            "text_unigram_entropy": self._chance(),
            "symbols": self.task.shape.outputs,
            "task": self.task_name,
            "task_in_words": self.task.question,
            "windows": self.task.sizes,
            "model": self.model,
            "architecture": asdict(self.architecture),
            **asdict(self.budget),
            "rates": None if self.lr else self.budget.rates,
            "rounds": self.plan.budget.rounds,
            "reference": self.base,
            "factor": self.factor,
            "tf32": self.tf32,
            "question": self.question,
            "schedule": asdict(self.schedule),
            **self._tuned_beside_the_rate(),
            "variants": {
                name: stored_variant(variant, self.plan.trials[name], reference)
                for name, variant in self.chosen.items()
            },
        }

    def _tuned_beside_the_rate(self) -> dict[str, Any]:
        """What is not in the configuration of a study that tunes the rate alone."""
        tune = {"tune": [name for name in NAMES if name in self.tune]} if self.tune else {}
        given = {"lr_given": sorted(set(self.lr))} if self.lr else {}
        return {"draws": self.draws, **tune, **given} if self.draws > 1 else {}

    @property
    def tunable(self) -> list[str]:
        """Fields that some variant has."""
        return list(dict.fromkeys(field.name for variant in self.chosen.values() for field in variant.tunes))

    @property
    def untuned(self) -> list[str]:
        """Fields to tune that none of the variants has."""
        return [name for name in self.tune if name not in self.tunable]

    def _chance(self) -> float | None:
        """The loss of the best model that ignores its inputs; of a text's characters over the whole text."""
        return self.text.unigram_entropy if isinstance(self.task, CharacterTask) else self.task.chance

    @classmethod
    def from_configuration(cls, stored: Mapping[str, Any], text: Text) -> Self:
        """Return the experiment that ``stored`` describes, on ``text``.

        Raises `InputError` when text or code have become others than those of the stored study.
        """
        rates = tuple(stored.get("lr_given") or next(iter(stored["variants"].values()))["lr"])
        given = stored["rates"] is None
        task = stored.get("task", CHARACTERS)
        return cls(
            text=text_for(task, text),
            model=stored["model"],
            budget=Budget(
                steps=stored["steps"],
                rates=len(rates) if given else stored["rates"],
                tuning_seeds=stored["tuning_seeds"],
                seeds=stored["seeds"],
                rounds=stored.get("rounds", 0),
            ),
            variants=tuple(stored["variants"]),
            lr=rates if given else None,
            reference=stored.get("reference", REFERENCE),
            factor=stored.get("factor"),
            task_name=task,
            tf32=stored.get("tf32", False),
            sizes=Sizes.stored(stored),
            course=Course.stored(stored),
            tune=tuple(stored.get("tune", ())),
            draws=stored.get("draws", 1),
        ).same_as(stored)

    def grown_from(self, stored: Mapping[str, Any]) -> Self:
        """Return this study with the variants of ``stored`` before its own.

        It may have more variants, seeds, rounds, rates and draws: all that says what a run is must be the same.
        """
        base = self.reference or stored.get("reference", REFERENCE)
        grown = replace(self, variants=tuple({**stored["variants"], **self.chosen}), reference=base)
        now = grown.configuration()
        numbers, others = ("seeds", "tuning_seeds", "rounds", "draws"), ("rates", "variants", "tune", "lr_given")
        check_growth(stored, now, numbers=numbers, others=others)
        check_kept(stored, now)
        return grown

    def group(self, cell: Cell) -> str:
        """Return the cell's variant and fields: a batch of runs has one method."""
        run = Run.of(cell.parameters)
        return f"{run.variant} {told(run.fields)}".rstrip()

    def pace(self, cell: Cell) -> str:
        """Return the cell's variant."""
        return str(cell.parameters["variant"])

    def steps_of(self, cell: Cell) -> int:
        """Return the steps of a run."""
        return self.budget.steps

    def cells(self, found: Results, given_up: Container[str]) -> list[Cell]:
        """Return the tuning of all variants, and the evaluation of those whose tuning is finished or given up."""
        return [run.cell for runs, _ in self._by_variant(found, given_up) for run in runs]

    def remaining(self, found: Results, given_up: Container[str]) -> Counter[str]:
        """Return the number of runs to do by variant."""
        left: Counter[str] = Counter()
        for name, (runs, later) in zip(self.chosen, self._by_variant(found, given_up), strict=True):
            left[name] = later + sum(run.key not in found and run.key not in given_up for run in runs)
        return left

    def _by_variant(self, found: Results, given_up: Container[str]) -> list[tuple[list[Run], int]]:
        """Return for each variant the runs that can be planned by now, and the number of those to come."""
        records = [record_of(result) for result in found.values()]
        return list(self.plan.by_variant(records, Either(found, given_up)).values())

    def best_at_once(self, cell: Cell, most: int, device: str) -> int:
        """Return how many runs of the variant train fastest side by side."""
        self.forget_memory()
        variant = self.chosen[Run.of(cell.parameters).variant]
        return choose_runs(variant, task=self.task, architecture=self.architecture, most=most, device=device)[0]

    def do(self, cells: Sequence[Cell], cancelled: Cancelled, device: str) -> list[dict[str, Any]]:
        """Train the runs, all of one variant and its fields, side by side."""
        runs = [Run.of(cell.parameters) for cell in cells]
        variant = self.chosen[runs[0].variant].with_fields(runs[0].fields)
        outcomes = self.train(variant, [(run.lr, run.seed) for run in runs], cancelled, device)
        return [
            {"method": repr(variant.method), "diverged": outcome.diverged, "outcome": outcome.to_json()}
            for outcome in outcomes
        ]

    def values(self, result: Mapping[str, Any]) -> list[float]:
        """Return the validation loss, infinite if the run diverged."""
        loss = result["outcome"]["validation_loss"]
        return [inf if loss is None else loss]
