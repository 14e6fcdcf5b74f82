"""The same arithmetic as ours by torch's bare products: references which a busy memory slows down just as much.

A ratio to another algorithm moves with the load, since one waits for memory where the other computes. These keep no
masks, no ring and no digits; they are for the gate alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tests.benchmarks.problems import Pairs
from tests.benchmarks.timing import Call


def direction(pairs: Pairs) -> Call:
    """H g of one run: two products with S, two with Y, float32 sums, and the m x m algebra in float64."""
    S, Y, h0, g = (x[0] for x in (pairs.s, pairs.y, pairs.h0, pairs.g))
    products = (S.double() @ Y.double().T).triu()
    A, D = products.inverse(), products.diagonal()

    def call() -> Tensor:
        alpha = A @ torch.mv(S, g).double()
        p = torch.addmv(g, Y.T, alpha.float(), alpha=-1.0).mul_(h0)
        gamma = A.T @ (D * alpha - torch.mv(Y, p).double())
        return p.addmv_(S.T, gamma.float())

    return call


def fisher_pair(F: Tensor, s: Tensor) -> Call:
    """F'(F s)."""
    return lambda: torch.mv(F.T, torch.mv(F, s))


def insertion(S: Tensor, s: Tensor, y: Tensor) -> Call:
    """Two rows written, S y, s's and y'y."""
    Y = S.clone()

    def call() -> list[Tensor]:
        S[0].copy_(s)
        Y[0].copy_(y)
        return [torch.mv(S, y), s.dot(s), y.dot(y)]

    return call
