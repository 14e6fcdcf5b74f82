"""The tasks by name, each at its usual size and at one that takes seconds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from studies.errors import one_of
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
    """How to make a task: ``usual`` and ``smoke``; of a text, its loss is in nats per ``unit``.

    The synthetic ones have no unit and leave the text aside.
    """

    usual: Callable[[Text], Task]
    smoke: Callable[[Text], Task]
    unit: str | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the task needs no text."""
        return self.unit is None


def synthetic(usual: Callable[[], Task], smoke: Callable[[], Task]) -> NamedTask:
    """Return the task that needs no text, from what makes it at its usual and at its smoke size."""
    return NamedTask(usual=lambda text: usual(), smoke=lambda text: smoke())


def _language(
    name: str,
    kind: Callable[..., SequenceTask],
    unit: str,
    smoke: dict[str, Any],
) -> dict[str, NamedTask]:
    """Return the task on a text under its name, and under ``name-carried`` with carried states."""
    return {
        f"{name}{'-carried' if carried else ''}": NamedTask(
            usual=partial(kind, windows=Windows(carried=carried)),
            smoke=partial(kind, windows=replace(_SMALL, carried=carried), **smoke),
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


def named_task(name: str, text: Text, *, smoke: bool = False) -> Task:
    """Return the task of that name, at its usual size or the smallest that shows something.

    `InputError` when there is none.
    """
    named = TASKS[one_of("task", name, TASKS)]
    return named.smoke(text) if smoke else named.usual(text)
