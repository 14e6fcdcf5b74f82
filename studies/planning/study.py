"""What a study is to the engine: a name, a configuration, and cells whose results are JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from studies.errors import InputError
from studies.planning.configuration import what_differs

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

Cancelled = Callable[[], bool]
"""Asked before every step: whether to stop there."""


@dataclass(frozen=True)
class Cell:
    """A piece of work: its key, unique in the study, and JSON values that say what is to be done."""

    key: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """A finished cell: the JSON object that it gave, and the environment that it ran in."""

    cell: Cell
    values: Mapping[str, Any]
    environment: Mapping[str, Any]


Results = Mapping[str, Result]
"""The finished cells by key, in the order in which they were enqueued."""


class Study(ABC):
    """A study: cells that the engine keeps in a storage and lets workers do, each exactly once.

    `configuration` is all that decides its results: what a worker builds the study from, and what tells whether a
    directory holds this study or another one.
    """

    kind: ClassVar[str]
    """The study's name in a storage where none is given, and in its configuration."""
    reads_text: ClassVar[bool] = True
    """Whether it is made from a text beside its configuration."""
    unit: ClassVar[str] = "run"
    """What a cell is called where they are counted."""
    objectives: int = 1
    """How many numbers a result is worth, each the less the better."""
    together: ClassVar[bool] = False
    """Whether cells of one group may be done at once."""
    tf32: bool = False
    """Whether float32 products are rounded to TF32 before, which only a GPU has."""

    @abstractmethod
    def configuration(self) -> dict[str, Any]:
        """Return all that decides the study's results, as JSON values."""

    @abstractmethod
    def cells(self, found: Results, given_up: Container[str]) -> list[Cell]:
        """Return the cells that can be done by now, finished ones among them; it may depend on results alone."""

    @abstractmethod
    def remaining(self, found: Results, given_up: Container[str]) -> Counter[str]:
        """Return how many cells of each pace have no result yet, those among them that cannot be planned yet."""

    @abstractmethod
    def do(self, cells: Sequence[Cell], cancelled: Cancelled, device: str) -> list[dict[str, Any]]:
        """Do cells of one group at once, on the device as torch names it, and return their results, each a JSON object.

        Raises `Cancelled` when told to.
        """

    @abstractmethod
    def values(self, result: Mapping[str, Any]) -> list[float]:
        """Return what a result is worth by the objectives, infinite for a run that diverged."""

    @abstractmethod
    def grown_from(self, stored: Mapping[str, Any]) -> Self:
        """Return this study with all that the study of the configuration ``stored`` has.

        Raises `InputError` where its cells would change their meaning.
        """

    def save_data(self, directory: Path) -> None:
        """Write what workers on this machine need beside the configuration: for most studies nothing."""
        return

    def group(self, cell: Cell) -> str:
        """Return which cells may be done at once."""
        return self.kind

    def best_at_once(self, cell: Cell, most: int, device: str) -> int:
        """Return how many cells of this one's group are done fastest at once, at most ``most``; found by measuring."""
        return 1

    def forget_memory(self) -> None:
        """Give back what is kept on the device for later cells."""
        return

    def pace(self, cell: Cell) -> str:
        """Return which cells take about the same time, as `remaining` counts them: those of its group."""
        return self.group(cell)

    def steps_of(self, cell: Cell) -> int:
        """Return the number of steps of a cell, to show how far it is."""
        return 1

    def proposed(self) -> Mapping[str, BaseDistribution]:
        """Return the parameters that a sampler proposes for cells which come without them."""
        return {}

    def sampler(self, begun: int) -> BaseSampler:
        """Return what proposes them, after so many cells were begun."""
        from optuna.samplers import RandomSampler

        # Without an explicit sampler every claim would fit TPE to results that no cell depends on.
        return RandomSampler(seed=0)

    def same_as(self, stored: Mapping[str, Any]) -> Self:
        """Return this study; `InputError` when ``stored`` is the configuration of another one."""
        if differences := what_differs(stored, self.configuration()):
            raise InputError(f"it is another study: {differences}")
        return self


def in_turns(study: Study, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with the groups taking turns.

    So every group has been timed when a part of the study is done, and the time left can be told. Workers that do
    several at once take those of a group wherever they wait.
    """
    queues: dict[str, list[Cell]] = {}
    for cell in cells:
        queues.setdefault(study.group(cell), []).append(cell)
    return [cell for turn in zip_longest(*queues.values()) for cell in turn if cell is not None]
