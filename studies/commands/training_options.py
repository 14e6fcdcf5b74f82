"""Options of the commands that train models on a task: sizes, and how the rate goes over a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.commands import choices
from studies.commands.study_options import StudyOptions

if TYPE_CHECKING:
    from studies.planning.course import Course, Sizes


@dataclass(frozen=True, kw_only=True)
class SizeOptions:
    """Options of all commands that train a model on a task."""

    batch_size: int | None = None
    """Sequences of a mini-batch, instead of the task's."""
    length: int | None = None
    """Symbols of a window of the text, instead of the task's; of adding, copy and markov what they call length."""
    hidden: int | None = None
    """Hidden units of a layer, instead of the model's."""
    layers: int | None = None
    """Recurrent layers, instead of the model's."""

    def check_sizes(self) -> None:
        """Raise `InputError` for sizes that cannot be."""
        from studies.errors import require_at_least

        require_at_least(1, batch_size=self.batch_size, length=self.length, hidden=self.hidden, layers=self.layers)

    @property
    def sizes(self) -> Sizes:
        """The sizes that are given."""
        from studies.planning.course import Sizes

        return Sizes(batch_size=self.batch_size, length=self.length, hidden=self.hidden, layers=self.layers)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(SizeOptions, StudyOptions):
    """Options of ablate and search."""

    schedule: choices.Schedule | None = None
    """How the learning rate goes over a run; linear and cosine go to zero. Constant without it, or the protocol's."""
    warmup: int = 0
    """Steps in which the learning rate rises first."""
    ema: float | None = None
    """Also evaluate an exponential moving average of the weights, with this decay (0.99 say)."""

    def check(self) -> None:
        """Raise `InputError` for options that cannot be, before anything heavy is done."""
        super().check()
        self.check_sizes()

    def course(self, schedule: str = "constant") -> Course:
        """Return how runs go, by the ``schedule`` where none is given."""
        from studies.planning.course import Course

        return Course(schedule=schedule if self.schedule is None else self.schedule, warm_up=self.warmup, ema=self.ema)
