"""An experiment: task, model, variants and budget, and the configuration that identifies it in a storage."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from studies.errors import InputError, one_of, require_at_least
from studies.models import Architecture, architecture
from studies.planning.budget import Budget
from studies.planning.plan import Plan
from studies.tasks import TASKS, CharacterTask, Task, Text, named_task, unigram_entropy
from studies.training.schedule import Schedule
from studies.variants.names import FACTORS, REFERENCE, choose_variants, known_variants
from studies.variants.variant import Variant

QUESTION = "Which of adaQN's choices matter, and does it keep up with first-order methods?"
"""The question of a study of no particular factor."""
CHARACTERS = "characters"
_LATER_SETTINGS = {
    "rounds": 0,
    "reference": REFERENCE,
    "factor": None,
    "question": QUESTION,
    "task": CHARACTERS,
    "side_by_side": 1,
}
"""What a study that was stored before these settings existed stands for."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is compared on what. No ``variants`` means all of them; ``lr`` replaces every variant's grid.

    Differences are taken to the variant ``reference``; ``factor`` names the design choice that is in question. A
    synthetic task leaves the text aside. A worker trains up to ``side_by_side`` runs of a variant as one batched model.
    """

    text: Text
    model: str
    budget: Budget
    variants: tuple[str, ...] = ()
    lr: tuple[float, ...] | None = None
    reference: str = REFERENCE
    factor: str | None = None
    task_name: str = CHARACTERS
    side_by_side: int = 1

    def __post_init__(self) -> None:
        require_at_least(1, side_by_side=self.side_by_side)
        # Everything that a user can get wrong is refused here, before any file is written.
        _ = self.architecture, self.plan, self.task

    @cached_property
    def task(self) -> Task:
        """The task that every run is trained on."""
        return named_task(self.task_name, self.text)

    @cached_property
    def architecture(self) -> Architecture:
        """The model that every run trains."""
        return architecture(self.model)

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
            "text_characters": len(self.text.content),
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
        return unigram_entropy(self.text.content) if isinstance(self.task, CharacterTask) else self.task.chance

    @classmethod
    def from_configuration(cls, stored: dict[str, Any], text: Text) -> "Experiment":
        """Return the experiment that ``stored`` describes, on ``text``.

        Raises `InputError` when text or code have become others than those of the stored study.
        """
        text = text_for(stored.get("task", CHARACTERS), text)
        rates = [tuple(variant["lr"]) for variant in stored["variants"].values()]
        given = stored["rates"] is None
        budget = Budget(
            steps=stored["steps"],
            rates=len(rates[0]) if given else stored["rates"],
            tuning_seeds=stored["tuning_seeds"],
            seeds=stored["seeds"],
            rounds=stored.get("rounds", 0),
        )
        experiment = cls(
            text=text,
            model=stored["model"],
            budget=budget,
            variants=tuple(stored["variants"]),
            lr=rates[0] if given else None,
            reference=stored.get("reference", REFERENCE),
            factor=stored.get("factor"),
            task_name=stored.get("task", CHARACTERS),
            side_by_side=stored.get("side_by_side", 1),
        )
        if differences := what_differs(stored, experiment.configuration()):
            raise InputError(
                f"The study cannot be continued by this code: {differences}; start another one with --out."
            )
        return experiment


def text_for(task: str, text: Text) -> Text:
    """Return the text, or for a synthetic task an empty one of the task's name; `InputError` for an unknown task."""
    return Text(name=task, content="") if TASKS[one_of("task", task, TASKS)].synthetic else text


def _asked_for(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a setting that ``before`` does not have is away from its default now."""
    return any(value for name, value in now.items() if name not in before and name != "symbols")


def what_differs(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return the settings in which two configurations differ, in words; empty when they are equal."""
    found = []
    stored, wanted = {**_LATER_SETTINGS, **stored}, {**_LATER_SETTINGS, **wanted}
    for key in {**stored, **wanted}:
        before, now = stored.get(key), wanted.get(key)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            # What a study was stored without is at its default: "carried" and "symbols" of the windows, "dropout".
            if key in ("windows", "architecture") and before.items() <= now.items() and not _asked_for(before, now):
                continue
            names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            found.append(f"{key} differ in {', '.join(names)}")
        elif key == "text_sha256":
            found.append(f"{key} is {str(before)[:12]} there and {str(now)[:12]} here")
        elif key not in ("text_characters", "text_unigram_entropy", "symbols", "task_in_words"):
            found.append(f"{key} is {before} there and {now} here")
    return ", ".join(found)
