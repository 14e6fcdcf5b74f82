"""A text as numbers: three parts of the smallest type that holds their symbols."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Symbols = npt.NDArray[np.integer[Any]]
UNKNOWN = 0
"""The index of every symbol that the training part does not have, or has too rarely."""
CODES = 0x110000
"""Number of Unicode's code points."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Training, validation and test part: of each symbol its number, below ``symbols``.

    ``known`` are the symbols 1, 2, ... themselves; ``counts`` says how often each number, from
    `UNKNOWN` on, is in the training part.
    """

    parts: tuple[Symbols, Symbols, Symbols]
    known: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def symbols(self) -> int:
        """The known ones and the one that stands for all others."""
        return len(self.known) + 1

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Symbols of each part."""
        train, validation, test = map(len, self.parts)
        return train, validation, test


def smallest_type(symbols: int) -> type[np.integer[Any]]:
    """Return the type of an array of numbers below ``symbols``."""
    if symbols <= 1 << 8:
        return np.uint8
    return np.uint16 if symbols <= 1 << 16 else np.int32


def codes(piece: str) -> Symbols:
    """Return the code points of a str."""
    if piece.isascii():
        return np.frombuffer(piece.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(piece.encode("utf-32-le"), dtype=np.uint32)


def count_codes(pieces: Iterable[str]) -> npt.NDArray[np.int64]:
    """Return how often each of the `CODES` comes."""
    counts = np.zeros(CODES, dtype=np.int64)
    for piece in pieces:
        found = np.bincount(codes(piece))
        counts[: len(found)] += found
    return counts
