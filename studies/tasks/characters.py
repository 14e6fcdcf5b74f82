"""Character-level language modelling."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from studies.tasks.sequences import UNKNOWN, SequenceTask, Windows, refuse_short
from studies.tasks.text import Text

Codes = npt.NDArray[np.uint32]


class CharacterTask(SequenceTask):
    """Predict the next character. The text is split by position, unless it came in three files.

    The vocabulary is the training part's, sorted, after one symbol for all others: what only the held-out
    parts contain must not shape the model, yet its loss has to count (it is charged as the unknown symbol).
    Raises `InputError` when the training part is shorter than one batch or a held-out part than one window.
    """

    unit = "character"

    def __init__(self, text: Text, windows: Windows | None = None) -> None:
        windows = windows or Windows()
        train, validation, test = map(_codes, text.parts)
        held_out = min(len(validation), len(test))
        refuse_short(text.name, "characters", windows, len(train), held_out, shares=text.shares)
        known = np.unique(train)
        self.vocabulary = "".join(map(chr, known.tolist()))
        parts = [_index(known, codes) for codes in (train, validation, test)]
        super().__init__(parts, symbols=len(known) + 1, windows=windows)


def _codes(part: str) -> Codes:
    return np.frombuffer(part.encode("utf-32-le"), dtype=np.uint32)


def _index(known: Codes, codes: Codes) -> Tensor:
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return torch.from_numpy(np.where(known[place] == codes, place + 1, UNKNOWN).astype(np.int64))
