"""Word-level language modelling."""

import re
from collections import Counter

import torch

from studies.tasks.sequences import UNKNOWN, SequenceTask, Windows, refuse_short
from studies.tasks.text import Text

END, UNKNOWN_WORD = "<eos>", "<unk>"
MOST_WORDS = 10_000
_WORDS = re.compile(r"\n|\w+(?:['’-]\w+)*|[^\w\s]")


class WordTask(SequenceTask):
    """Predict the next word, with the ``most`` frequent words of the training part and one symbol for all others.

    A line ends with the word ``<eos>``. A text in three files is taken to be split into words by blanks, as the Penn
    Treebank's is; in any other a word is letters and digits, perhaps joined by an apostrophe or a hyphen, or one
    punctuation mark. Case counts. Words of one frequency enter the vocabulary in alphabetical order.
    Raises `InputError` when the training part is shorter than one batch or a held-out part than one window.
    """

    unit = "word"

    def __init__(self, text: Text, windows: Windows | None = None, most: int = MOST_WORDS) -> None:
        windows = windows or Windows()
        parts = [split_words(part, by_blanks=text.splits is not None) for part in text.parts]
        train, *held_out = parts
        shares = (len(train) / sum(map(len, parts)), max(min(map(len, held_out)), 1) / sum(map(len, parts)))
        refuse_short(text.name, "words", windows, len(train), min(map(len, held_out)), shares=shares)
        counts = Counter(train)
        del counts[UNKNOWN_WORD]
        frequent = sorted(counts, key=lambda word: (-counts[word], word))[:most]
        self.vocabulary = (UNKNOWN_WORD, *frequent)
        index = {word: number for number, word in enumerate(self.vocabulary)}
        indices = [torch.tensor([index.get(word, UNKNOWN) for word in part]) for part in parts]
        super().__init__(indices, symbols=len(self.vocabulary), windows=windows)


def split_words(part: str, *, by_blanks: bool) -> list[str]:
    r"""Return the words of a part of a text, each end of a line as ``<eos>``.

    >>> split_words("Moses' sons,\nand", by_blanks=False)
    ['Moses', "'", 'sons', ',', '<eos>', 'and']
    >>> split_words("the u.s. <unk>\n", by_blanks=True)
    ['the', 'u.s.', '<unk>', '<eos>']
    """
    if by_blanks:
        return part.replace("\n", f" {END} ").split()
    return [END if word == "\n" else word for word in _WORDS.findall(part)]
