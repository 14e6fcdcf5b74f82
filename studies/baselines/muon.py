"""Muon for R runs at once: steps that are orthogonal matrices, for the matrices between input and output layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import Callables
from studies.baselines.runs import RunsOptimizer, descend_, gradients

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


@dataclass(frozen=True, kw_only=True)
class MuonWithAdamW:
    """`torch.optim.Muon` on the matrices between input and output layer, `torch.optim.AdamW` on all else.

    For a matrix W (A, B) with gradient G, m = ``momentum``:  M <- m M + (1 - m) G,  N = (1 - m) G + m M (Nesterov),
    W <- W - lr 0.2 sqrt(max(A, B)) O, with O near U V' where N = U S V' (`orthogonalised`).

    One rate serves both: Muon's is scaled to the root mean square of AdamW's updates (``match_rms_adamw``). No weight
    decay, as for the other baselines. Input layer and output layer are the first and the last matrix; every gate
    matrix of an LSTM layer is part of one matrix (4H, H), as torch stores it.

    After Jordan et al. (2024) and Liu et al. (2025), as torch.optim.Muon has it.
    """

    momentum: float = 0.95

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each."""
        return MuonOptimizer(params, lr, self)


class MuonOptimizer(RunsOptimizer):
    """`MuonWithAdamW` on R models with R rates."""

    capturable = True

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float], method: MuonWithAdamW) -> None:
        super().__init__(params, lr)
        self._momentum = method.momentum
        self._hidden = [p for p in params if p.dim() == 3][1:-1]
        self._buffers = [torch.zeros_like(p) for p in self._hidden]
        self._others = [p for p in params if all(p is not q for q in self._hidden)]
        self._adam = AdamDirections(self._others)

    def _advance(self) -> None:
        if self._hidden:
            descend_(self._hidden, self._orthogonal_steps(), self._lr)
        directions, factor = self._adam.next()
        descend_(self._others, directions, self._lr * factor)

    def _orthogonal_steps(self) -> list[Tensor]:
        """Return 0.2 sqrt(max(A, B)) O for every hidden matrix, (R, A, B)."""
        g = gradients(self._hidden)
        torch._foreach_lerp_(self._buffers, g, 1.0 - self._momentum)
        ahead = torch._foreach_lerp(g, self._buffers, self._momentum)
        return [orthogonalised(n).to(n.dtype) * (0.2 * math.sqrt(max(n.shape[1:]))) for n in ahead]


def orthogonalised(x: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Return U f(S) V' for every X = U S V' in ``x`` (R, A, B), with f(s) between about 0.7 and 1.2: nearly U V'.

    f is the polynomial 3.4445 s - 4.7750 s^3 + 2.0315 s^5 five times in turn, on X / |X|: products of matrices alone,
    and coarse ones, so that bfloat16 is enough.
    """
    a, b, c = _COEFFICIENTS
    tall = x.shape[1] > x.shape[2]  # X X' is then the larger of the two products
    o = x.to(dtype).mT if tall else x.to(dtype)
    o = o / torch.linalg.vector_norm(o, dim=(1, 2), keepdim=True).clamp(min=_SMALLEST_NORM)
    for _ in range(_ITERATIONS):
        gram = torch.bmm(o, o.mT)
        o = torch.baddbmm(o, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), o, beta=a)
    return o.mT if tall else o


class AdamDirections:
    """Adam's directions by torch's arithmetic and with its defaults, the number of steps in a tensor.

    m <- 0.9 m + 0.1 g,  v <- 0.999 v + 0.001 g^2,  d = m / (sqrt(v / (1 - 0.999^t)) + 1e-8), to be taken at
    lr / (1 - 0.9^t).
    """

    beta1, beta2, eps = 0.9, 0.999, 1e-8

    def __init__(self, params: Sequence[Tensor]) -> None:
        self._parameters = list(params)
        self._m = [torch.zeros_like(p) for p in params]
        self._v = [torch.zeros_like(p) for p in params]
        self._count = torch.zeros((), dtype=torch.float64, device=params[0].device)

    def next(self) -> tuple[list[Tensor], Tensor]:
        """Return d for every parameter, and the factor of the rate, a 0-dim tensor."""
        g = gradients(self._parameters)
        self._count.add_(1.0)
        torch._foreach_lerp_(self._m, g, 1.0 - self.beta1)
        torch._foreach_mul_(self._v, self.beta2)
        torch._foreach_addcmul_(self._v, g, g, 1.0 - self.beta2)
        lengths = torch._foreach_sqrt(self._v)
        torch._foreach_div_(lengths, torch.sqrt(1.0 - self.beta2**self._count).to(lengths[0].dtype))
        torch._foreach_add_(lengths, self.eps)
        return list(torch._foreach_div(self._m, lengths)), 1.0 / (1.0 - self.beta1**self._count)
