"""What a peer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.benchmarks.problems import Pairs
from tests.benchmarks.timing import Call


class AbsentError(Exception):
    """Why a peer cannot take part here, in one sentence."""


@dataclass(frozen=True)
class Prepared:
    """``call() -> direction`` (R, n) with ``sign``, ready to be timed; ``bytes`` its state holds."""

    call: Call
    bytes: int
    sign: float = 1.0

    def result(self) -> Tensor:
        """H g in float64."""
        found = self.call()
        rows = found if isinstance(found, list) else [found]
        return self.sign * torch.stack([torch.as_tensor(x).double().reshape(-1) for x in rows])


@dataclass(frozen=True)
class DirectionPeer:
    """``build`` prepares the pairs in the peer's own layout; ``h0`` is the diagonal of its H0, (R, n)."""

    label: str
    build: Callable[[Pairs], Prepared]
    h0: Callable[[Pairs], Tensor]
    copies: float = 1.0
    """Memory it needs, in units of S and Y."""


def given(pairs: Pairs) -> Tensor:
    """H0 = diag(h0), as ours."""
    return pairs.h0


def identity(pairs: Pairs) -> Tensor:
    """H0 = I."""
    return torch.ones_like(pairs.h0)


def newest(pairs: Pairs) -> Tensor:
    """H0 = (s'y / y'y) I of the newest pair."""
    s, y = pairs.s[:, -1].double(), pairs.y[:, -1].double()
    return ((s * y).sum(1, keepdim=True) / (y * y).sum(1, keepdim=True)).expand_as(s)
