"""What may be chosen of a study beside its variants and its budget: sizes, and how a run's rate goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from studies.errors import one_of
from studies.training.schedule import Decay, Schedule

SCHEDULES: dict[str, Decay | None] = {"constant": None, "linear": "linear", "cosine": "cosine"}
"""How a learning rate may go over a run: ``--schedule``."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """A schedule for runs of any length: ``schedule`` is a name in `SCHEDULES`, ``warm_up`` steps, ``ema`` a decay."""

    schedule: str = "constant"
    warm_up: int = 0
    ema: float | None = None

    def of(self, steps: int) -> Schedule:
        """Return the schedule of runs of so many steps; `InputError` for one that cannot be."""
        decay = SCHEDULES[one_of("schedule", self.schedule, SCHEDULES)]
        return Schedule(steps=steps, decay=decay, warm_up=self.warm_up, ema=self.ema)

    @classmethod
    def stored(cls, configuration: Mapping[str, Any]) -> Self:
        """Return that of a study's configuration."""
        stored = configuration["schedule"]
        return cls(schedule=stored.get("decay") or "constant", warm_up=stored.get("warm_up", 0), ema=stored.get("ema"))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes in place of the task's (``batch_size``, ``length``) and of the model's; ``None`` keeps their own."""

    batch_size: int | None = None
    length: int | None = None
    hidden: int | None = None
    layers: int | None = None

    @classmethod
    def stored(cls, configuration: Mapping[str, Any]) -> Self:
        """Return those of a study's configuration, all that it tells."""
        windows, model = configuration["windows"], configuration["architecture"]
        return cls(
            batch_size=windows.get("batch_size"), length=windows.get("length"), hidden=model.get("hidden"),
            layers=model.get("layers"),
        )  # fmt: skip
