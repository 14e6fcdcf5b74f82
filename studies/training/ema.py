"""An exponential moving average of the weights, evaluated beside them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class Ema:
    """The average a of the weights w after every step, ``decay`` d; the weights before the first are not in it.

        a_k = sum_j d^(k-j) w_j / sum_j d^(k-j),  j = 1, ..., k

    It is kept as a <- a + c_k (w - a), c_k = (1 - d) / (1 - d^k), with c_k on the weights' device: nothing is read
    there. A run that diverges, with numbers that are not finite, spoils its own average only.
    """

    def __init__(self, weights: Sequence[Tensor], decay: float) -> None:
        self._weights, self._decay = list(weights), decay
        self._average = [torch.zeros_like(w, requires_grad=False) for w in weights]
        self._left = torch.ones((), dtype=torch.float64, device=weights[0].device)  # d^k

    def forget(self) -> None:
        """Begin again."""
        torch._foreach_zero_(self._average)
        self._left.fill_(1.0)

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        self._left.mul_(self._decay)
        share = ((1.0 - self._decay) / (1.0 - self._left)).to(self._average[0])
        moves = torch._foreach_sub(self._weights, self._average)
        torch._foreach_mul_(moves, share)  # not lerp: it would read the share on the host
        torch._foreach_add_(self._average, moves)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average in the weights' place for as long as the block lasts."""
        with torch.no_grad():
            kept = [w.clone() for w in self._weights]
            torch._foreach_copy_(self._weights, self._average)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._weights, kept)
