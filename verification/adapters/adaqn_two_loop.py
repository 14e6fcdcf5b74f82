"""adaqn_lab's textbook form, :func:`adaqn_lab.two_loop`."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from adaqn_lab import two_loop

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g in the dtype of the arrays."""
    diagonal = torch.tensor(h0.astype(g.dtype))
    result: Array = two_loop(torch.tensor(S), torch.tensor(Y), torch.tensor(g), lambda q: diagonal * q).numpy()
    return result
