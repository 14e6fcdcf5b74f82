"""The state of a wrong part which keeps its real state elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Empty:
    """A state in which nothing is."""

    nothing: Tensor
