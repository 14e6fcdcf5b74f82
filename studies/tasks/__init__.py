"""What is trained: language models on texts, and synthetic tasks whose answers are known."""

from studies.tasks.adding import AddingTask
from studies.tasks.characters import CharacterTask
from studies.tasks.copying import CopyTask
from studies.tasks.markov import MarkovTask
from studies.tasks.named import TASKS, NamedTask, named_task
from studies.tasks.sequences import SequenceTask, Windows
from studies.tasks.task import Batch, Shape, Task
from studies.tasks.text import Text, king_james, load_text, read_parts, read_text, unigram_entropy
from studies.tasks.words import WordTask

__all__ = [
    "TASKS",
    "AddingTask",
    "Batch",
    "CharacterTask",
    "CopyTask",
    "MarkovTask",
    "NamedTask",
    "SequenceTask",
    "Shape",
    "Task",
    "Text",
    "Windows",
    "WordTask",
    "king_james",
    "load_text",
    "named_task",
    "read_parts",
    "read_text",
    "unigram_entropy",
]
