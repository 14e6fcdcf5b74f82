"""Character-level language modelling."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.tasks.encoding import (
    CODES,
    UNKNOWN,
    Encoded,
    Symbols,
    codes,
    count_codes,
    smallest_type,
)
from studies.tasks.progress import Passes
from studies.tasks.sequences import SequenceTask, Windows, refuse_short
from studies.tasks.text import Text


class CharacterTask(SequenceTask):
    """Predict the next character. The text is split by position, unless it came in three files.

    The vocabulary is the training part's, sorted, after one symbol for all others: what only the
    held-out parts contain must not shape the model, yet its loss has to count (it is charged as the
    unknown symbol). Raises `InputError` when the training part is shorter than one batch or a
    held-out part than one window.
    """

    unit = "character"

    def __init__(self, text: Text, windows: Windows | None = None) -> None:
        windows, encoder = windows or Windows(), Characters()
        refuse_short(text, self.unit, windows, text.lengths, text.shares)
        encoded = text.encoded(encoder)
        self.vocabulary = "".join(encoded.known)
        super().__init__(encoder, encoded, windows)


@dataclass(frozen=True)
class Characters:
    """Each character by its place among the sorted ones of the training part, from 1 on."""

    @property
    def recipe(self) -> dict[str, Any]:
        """The kind says it all."""
        return {"kind": "characters"}

    def encode(self, text: Text) -> Encoded:
        """Return the parts; the training part is read twice."""
        passes = Passes(text.progress, text.lengths[0] + text.characters)
        counts = count_codes(passes.over(text.pieces(0)))
        known = np.flatnonzero(counts)
        kind = smallest_type(len(known) + 1)
        table = np.full(CODES, UNKNOWN, dtype=kind)
        table[known] = np.arange(1, len(known) + 1)

        def numbers(part: int) -> Symbols:
            found: Symbols = np.empty(text.lengths[part], dtype=kind)
            place = 0
            for piece in passes.over(text.pieces(part)):
                found[place : place + len(piece)] = table[codes(piece)]
                place += len(piece)
            return found

        return Encoded(
            parts=(numbers(0), numbers(1), numbers(2)),
            known=tuple(map(chr, known.tolist())),
            counts=(0, *counts[known].tolist()),
        )
