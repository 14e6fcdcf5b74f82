"""The tasks by name, each at its usual size and at one that takes seconds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from typing import Any

from studies.errors import InputError, one_of, require_at_least
from studies.tasks.adding import AddingTask
from studies.tasks.characters import CharacterTask
from studies.tasks.copying import CopyTask
from studies.tasks.markov import MarkovTask
from studies.tasks.sequences import SequenceTask, Windows
from studies.tasks.task import Task
from studies.tasks.text import Text
from studies.tasks.words import WordTask

_SMALL = Windows(batch_size=20, length=15, held_out=40)


@dataclass(frozen=True, kw_only=True)
class NamedTask:
    """How to make a task: ``usual`` and ``smoke``, of a text and of sizes by keyword that replace its own.

    Of a text, its loss is in nats per ``unit``; the synthetic ones have no unit and leave the text aside.
    """

    usual: Callable[..., Task]
    smoke: Callable[..., Task]
    unit: str | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the task needs no text."""
        return self.unit is None


def synthetic(usual: Callable[..., Task], smoke: Callable[..., Task]) -> NamedTask:
    """Return the task that needs no text, from what makes it at its usual and at its smoke size."""
    return NamedTask(usual=partial(_without_text, usual), smoke=partial(_without_text, smoke))


def _without_text(make: Callable[..., Task], text: Text, **sizes: int) -> Task:
    taken = signature(make).parameters
    task = make(**{name: size for name, size in sizes.items() if name in taken})
    for name, size in sizes.items():
        if task.sizes.get(name) != size:
            raise InputError(
                f"{name}={size} is not for the task {text.name}, which has no {name} to choose: leave it out, or take "
                "another task."
            )
    return task


def _of_text(make: Callable[..., Task], windows: Windows, text: Text, **sizes: Any) -> Task:
    return make(text, windows=replace(windows, **sizes))


def _language(
    name: str,
    kind: Callable[..., SequenceTask],
    unit: str,
    smoke: dict[str, Any],
) -> dict[str, NamedTask]:
    """Return the task on a text under its name, and under ``name-carried`` with carried states."""
    return {
        f"{name}{'-carried' if carried else ''}": NamedTask(
            usual=partial(_of_text, kind, Windows(carried=carried)),
            smoke=partial(_of_text, partial(kind, **smoke), replace(_SMALL, carried=carried)),
            unit=unit,
        )
        for carried in (False, True)
    }


TASKS = {
    **_language("characters", CharacterTask, "character", {}),
    **_language("words", WordTask, "word", {"most": 200}),
    **_language("words-2000", partial(WordTask, most=2000), "word", {"most": 200}),
    "adding": synthetic(AddingTask, partial(AddingTask, length=8, held_out=500)),
    "copy": synthetic(CopyTask, partial(CopyTask, letters=4, length=3, delay=3, held_out=200)),
    "markov": synthetic(MarkovTask, partial(MarkovTask, symbols=5, length=20)),
}
"""The tasks that ``--task`` knows. ``-carried`` keeps a model's state from one batch to the next;
``words-2000`` has the 2000 most frequent words, a fifth of the usual vocabulary, and runs the
faster for it. A new task is a file of its own and a line here."""


def named_task(
    name: str, text: Text, *, smoke: bool = False, batch_size: int | None = None, length: int | None = None
) -> Task:
    """Return the task of that name, at its usual size or the smallest that shows something.

    ``batch_size`` and ``length`` replace its own: sequences of a mini-batch, and of a text the symbols of a window, of
    another task what it calls its length. `InputError` when there is no such task, or for a size that it has not.
    """
    named = TASKS[one_of("task", name, TASKS)]
    require_at_least(1, batch_size=batch_size, length=length)
    given = {"batch_size": batch_size, "length": length}
    sizes = {size: value for size, value in given.items() if value is not None}
    return named.smoke(text, **sizes) if smoke else named.usual(text, **sizes)


def usual_batch_size(name: str) -> int:
    """Return the sequences of a mini-batch of the task of that name at its usual size; no text is read."""
    named = TASKS[one_of("task", name, TASKS)]
    return named.usual(Text(name=name, content="")).batch_size if named.synthetic else Windows().batch_size
