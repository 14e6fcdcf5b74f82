"""adaqn_lab's triangular form, :meth:`adaqn_lab.History.apply`."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from adaqn_lab import History, Space

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g: the pairs are pushed one by one into an empty history of m slots, in the dtype of ``g``."""
    v = torch.from_numpy(g.copy()).unsqueeze(0)
    space = Space(runs=1, size=g.size, dtype=v.dtype)
    history = History.empty(space, len(S))
    for s, y in zip(S, Y, strict=True):
        history.push_(torch.tensor(s).unsqueeze(0), torch.tensor(y).unsqueeze(0), space.mask(True))
    diagonal = torch.from_numpy(h0.astype(g.dtype))
    result: Array = history.apply(v, lambda q: q.mul_(diagonal)).squeeze(0).numpy()
    return result
