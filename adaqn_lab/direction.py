"""The L-BFGS two-loop recursion in its textbook form: the readable reference of ``History.apply_``."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def two_loop(s: Tensor, y: Tensor, v: Tensor, h0: Callable[[Tensor], Tensor]) -> Tensor:
    """H v by the two-loop recursion, one run.

    With rho_i = 1 / s_i'y_i, newest pair first:  alpha_i = rho_i s_i'q,  q -= alpha_i y_i;  then
    r = H0 q;  then oldest pair first:  beta_i = rho_i y_i'r,  r += (alpha_i - beta_i) s_i.

    ``s``, ``y`` are (m, n) with the oldest pair first, ``v`` is (n,), ``h0`` maps (n,) to (n,). Cost: 4 m n
    multiply-adds, each pair read twice. Source: Nocedal, Math. Comp. 35 (1980); Nocedal & Wright,
    Numerical Optimization (2006), Algorithm 7.4.

    >>> import torch
    >>> s, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 1.0]])
    >>> two_loop(s, y, y[0], lambda q: q)      # the secant equation: H y = s
    tensor([1., 0.])
    """
    q = v.clone()
    alphas: list[Tensor] = []
    for s_i, y_i in zip(reversed(s), reversed(y), strict=True):
        alpha = s_i.dot(q) / s_i.dot(y_i)
        alphas.append(alpha)
        q = q - alpha * y_i
    r = h0(q)
    for s_i, y_i, alpha in zip(s, y, reversed(alphas), strict=True):
        beta = y_i.dot(r) / s_i.dot(y_i)
        r = r + (alpha - beta) * s_i
    return r
