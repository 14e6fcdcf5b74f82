"""The names under which the command line knows the tasks, each at its usual size and at one that takes seconds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from studies.refusal import one_of
from studies.tasks.adding import AddingTask
from studies.tasks.characters import CharacterTask
from studies.tasks.copying import CopyTask
from studies.tasks.markov import MarkovTask
from studies.tasks.sequences import Windows
from studies.tasks.task import Task
from studies.tasks.text import Text
from studies.tasks.words import WordTask

_SMALL = Windows(batch_size=20, length=15, held_out=40)


@dataclass(frozen=True, kw_only=True)
class NamedTask:
    """How to make a task: ``usual`` and ``smoke`` from a text, which the synthetic ones (``synthetic``) leave aside."""

    usual: Callable[[Text], Task]
    smoke: Callable[[Text], Task]
    synthetic: bool = False


def _synthetic(usual: Callable[[], Task], smoke: Callable[[], Task]) -> NamedTask:
    return NamedTask(usual=lambda text: usual(), smoke=lambda text: smoke(), synthetic=True)


TASKS = {
    "characters": NamedTask(usual=CharacterTask, smoke=partial(CharacterTask, windows=_SMALL)),
    "characters-carried": NamedTask(
        usual=partial(CharacterTask, windows=Windows(carried=True)),
        smoke=partial(CharacterTask, windows=replace(_SMALL, carried=True)),
    ),
    "words": NamedTask(usual=WordTask, smoke=partial(WordTask, windows=_SMALL, most=200)),
    "words-carried": NamedTask(
        usual=partial(WordTask, windows=Windows(carried=True)),
        smoke=partial(WordTask, windows=replace(_SMALL, carried=True), most=200),
    ),
    "adding": _synthetic(AddingTask, partial(AddingTask, length=8, held_out=500)),
    "copy": _synthetic(CopyTask, partial(CopyTask, letters=4, length=3, delay=3, held_out=200)),
    "markov": _synthetic(MarkovTask, partial(MarkovTask, symbols=5, length=20)),
}
"""The tasks that ``--task`` knows. ``-carried`` keeps a model's state from one batch to the next."""


def named_task(name: str, text: Text, *, smoke: bool = False) -> Task:
    """Return the task of that name, at its usual size or the smallest that shows something; `Refusal` if unknown."""
    named = TASKS[one_of("task", name, TASKS)]
    return named.smoke(text) if smoke else named.usual(text)
