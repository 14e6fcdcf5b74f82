"""An ablation: task, model, variants and budget; its runs are tuned first and evaluated then."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import inf
from typing import Any, ClassVar, Self

from studies.errors import InputError, one_of, require_at_least
from studies.planning.budget import Budget
from studies.planning.configuration import QUESTION, check_growth
from studies.planning.on_a_task import StudyOnATask
from studies.planning.plan import Plan, Run
from studies.planning.record import record_of
from studies.planning.study import Cancelled, Cell, Results
from studies.tasks import TASKS, CharacterTask, Text
from studies.training.loop import train_many
from studies.training.schedule import Schedule
from studies.variants.names import FACTORS, REFERENCE, choose_variants, known_variants
from studies.variants.variant import Variant

CHARACTERS = "characters"


@dataclass(frozen=True, kw_only=True)
class Experiment(StudyOnATask):
    """What is compared on what. No ``variants`` means all of them; ``lr`` replaces every variant's grid.

    Differences are taken to the variant ``reference``; ``factor`` names the design choice that is in question. A
    synthetic task leaves the text aside. A worker trains up to ``side_by_side`` runs of a variant as one batched model.
    """

    kind: ClassVar[str] = "ablation"

    text: Text
    model: str
    budget: Budget
    variants: tuple[str, ...] = ()
    lr: tuple[float, ...] | None = None
    reference: str = REFERENCE
    factor: str | None = None
    task_name: str = CHARACTERS
    side_by_side: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        require_at_least(1, side_by_side=self.side_by_side)
        # Everything that a user can get wrong is refused here, before any file is written.
        _ = self.architecture, self.plan, self.task

    @cached_property
    def chosen(self) -> dict[str, Variant]:
        """The variants by name, in the order of the report."""
        return {v.name: v for v in choose_variants(self.variants, self.task.batch_size)}

    @property
    def schedule(self) -> Schedule:
        """Length and stopping rule of a run."""
        return Schedule(steps=self.budget.steps)

    @cached_property
    def plan(self) -> Plan:
        """The cells of the study."""
        given = None if self.lr is None else tuple(sorted(set(self.lr)))
        rates = {name: given or variant.grid(self.budget.rates) for name, variant in self.chosen.items()}
        return Plan(rates=rates, budget=self.budget if given is None else replace(self.budget, rounds=0))

    def configuration(self) -> dict[str, Any]:
        """Return all that decides the study's results, as JSON values; equal means the same study."""
        reference = known_variants(self.task.batch_size)[self.reference]
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
            "reference": self.reference,
            "factor": self.factor,
            "side_by_side": self.side_by_side,
            "device": self.device,
            "question": FACTORS[self.factor].question if self.factor else QUESTION,
            "schedule": asdict(self.schedule),
            "variants": {
                name: {
                    "method": repr(variant.method),
                    "lr": list(self.plan.rates[name]),
                    "changes": variant.changes_from(reference),
                }
                for name, variant in self.chosen.items()
            },
        }

    def _chance(self) -> float | None:
        """The loss of the best model that ignores its inputs; of a text's characters over the whole text."""
        return self.text.unigram_entropy if isinstance(self.task, CharacterTask) else self.task.chance

    @classmethod
    def from_configuration(cls, stored: Mapping[str, Any], text: Text) -> Self:
        """Return the experiment that ``stored`` describes, on ``text``.

        Raises `InputError` when text or code have become others than those of the stored study.
        """
        rates = [tuple(variant["lr"]) for variant in stored["variants"].values()]
        given = stored["rates"] is None
        task = stored.get("task", CHARACTERS)
        return cls(
            text=text_for(task, text),
            model=stored["model"],
            budget=Budget(
                steps=stored["steps"],
                rates=len(rates[0]) if given else stored["rates"],
                tuning_seeds=stored["tuning_seeds"],
                seeds=stored["seeds"],
                rounds=stored.get("rounds", 0),
            ),
            variants=tuple(stored["variants"]),
            lr=rates[0] if given else None,
            reference=stored.get("reference", REFERENCE),
            factor=stored.get("factor"),
            task_name=task,
            side_by_side=stored.get("side_by_side", 1),
            device=stored.get("device", "cpu"),
        ).same_as(stored)

    def grown_from(self, stored: Mapping[str, Any]) -> Self:
        """Return this study with the variants of ``stored`` before its own.

        It may have more variants, seeds, rounds and learning rates: all that says what a run is must be the same.
        """
        grown = replace(self, variants=tuple({**stored["variants"], **self.chosen}))
        now = grown.configuration()
        check_growth(stored, now, numbers=("seeds", "tuning_seeds", "rounds"), others=("rates", "variants"))
        for name, before in stored["variants"].items():
            if before["method"] != now["variants"][name]["method"]:
                raise InputError(f"its {name} was another method, {before['method']}")
            if missing := [lr for lr in before["lr"] if lr not in now["variants"][name]["lr"]]:
                raise InputError(f"its learning rates of {name} are not among these ({missing[0]:g} is missing): "
                                 "give the rates that it has, and more if you like, by --rates or --lr")  # fmt: skip
        return grown

    def group(self, cell: Cell) -> str:
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
        return list(self.plan.by_variant(records, _Either(found, given_up)).values())

    def do(self, cells: Sequence[Cell], cancelled: Cancelled) -> list[dict[str, Any]]:
        """Train the runs, all of one variant, side by side."""
        runs = [Run.of(cell.parameters) for cell in cells]
        variant = self.chosen[runs[0].variant]
        outcomes = train_many(
            variant,
            [(run.lr, run.seed) for run in runs],
            task=self.task,
            architecture=self.architecture,
            schedule=self.schedule,
            cancelled=cancelled,
            device=self.device,
        )
        return [
            {"method": repr(variant.method), "diverged": outcome.diverged, "outcome": outcome.to_json()}
            for outcome in outcomes
        ]

    def values(self, result: Mapping[str, Any]) -> list[float]:
        """Return the validation loss, infinite if the run diverged."""
        loss = result["outcome"]["validation_loss"]
        return [inf if loss is None else loss]


@dataclass(frozen=True)
class _Either:
    """What is in one container or the other."""

    first: Container[str]
    second: Container[str]

    def __contains__(self, key: object) -> bool:
        return key in self.first or key in self.second


def text_for(task: str, text: Text) -> Text:
    """Return the text, or for a synthetic task an empty one of the task's name; `InputError` for an unknown task."""
    return Text(name=task, content="") if TASKS[one_of("task", task, TASKS)].synthetic else text
