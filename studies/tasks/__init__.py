"""What is trained: language models on texts, and synthetic tasks whose answers are known.

A name is imported when it is first asked for: reading a text needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.tasks.adding import AddingTask
    from studies.tasks.characters import CharacterTask
    from studies.tasks.copying import CopyTask
    from studies.tasks.default_text import king_james
    from studies.tasks.markov import MarkovTask
    from studies.tasks.named import TASKS, NamedTask, named_task, usual_batch_size
    from studies.tasks.prepared import load_data, save_data
    from studies.tasks.progress import Progress
    from studies.tasks.reading import load_text, read_parts, read_text
    from studies.tasks.sequences import SequenceTask, Windows
    from studies.tasks.task import Batch, Shape, Task
    from studies.tasks.text import Text, unigram_entropy
    from studies.tasks.words import WordTask

__all__ = [
    "TASKS",
    "AddingTask",
    "Batch",
    "CharacterTask",
    "CopyTask",
    "MarkovTask",
    "NamedTask",
    "Progress",
    "SequenceTask",
    "Shape",
    "Task",
    "Text",
    "Windows",
    "WordTask",
    "king_james",
    "load_data",
    "load_text",
    "named_task",
    "read_parts",
    "read_text",
    "save_data",
    "unigram_entropy",
    "usual_batch_size",
]

_NAMES = {
    "adding": ["AddingTask"],
    "characters": ["CharacterTask"],
    "copying": ["CopyTask"],
    "default_text": ["king_james"],
    "markov": ["MarkovTask"],
    "named": ["TASKS", "NamedTask", "named_task", "usual_batch_size"],
    "prepared": ["load_data", "save_data"],
    "progress": ["Progress"],
    "reading": ["load_text", "read_parts", "read_text"],
    "sequences": ["SequenceTask", "Windows"],
    "task": ["Batch", "Shape", "Task"],
    "text": ["Text", "unigram_entropy"],
    "words": ["WordTask"],
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
