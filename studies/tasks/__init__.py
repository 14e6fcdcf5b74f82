"""What is trained: texts and the tasks made of them."""

from studies.tasks.characters import Batch, CharacterTask, Windows
from studies.tasks.text import Text, king_james, load_text, read_text, unigram_entropy

__all__ = [
    "Batch",
    "CharacterTask",
    "Text",
    "Windows",
    "king_james",
    "load_text",
    "read_text",
    "unigram_entropy",
]
