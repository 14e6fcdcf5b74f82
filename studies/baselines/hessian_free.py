"""Hessian-free optimization: each step solves for its direction with conjugate gradients on Gauss-Newton products."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab import Need
from adaqn_lab.linalg import dot
from adaqn_lab.oracle import Oracle
from adaqn_lab.plain import all_finite
from adaqn_lab.space import FlatParameters, per_run
from studies.baselines.factory import Callables
from studies.baselines.runs import RunsOptimizer


@dataclass(frozen=True, kw_only=True)
class HessianFree:
    """(G + lambda I) d = g by ``iterations`` of conjugate gradients, w <- w - lr d.

    g is the mini-batch gradient, G the Gauss-Newton matrix of the curvature batch, which is drawn anew for every step
    and twice as large. The solver starts at ``carry`` times the direction before. ``damping`` is the first lambda; by
    the rule of Levenberg and Marquardt it is divided by ``factor`` where the mini-batch's loss fell by more than 3/4 of
    what the quadratic model g'p + p'Gp/2 said of the step p = -lr d, and multiplied by it below 1/4.

    After Martens (2010) and Martens and Sutskever (2011), whose stopping rule, preconditioner, structural damping and
    line search are left out: the number of products is fixed, as every part here decides on the device. The products
    are adaqn_lab's own, which run on R models at once and on any layer; a step costs about 40 gradients.
    """

    iterations: int = 10
    damping: float = 1.0
    factor: float = 1.5
    carry: float = 0.9

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each; it needs ``batch`` and ``curvature``."""
        return HessianFreeOptimizer(params, lr, self, callables)


class HessianFreeOptimizer(RunsOptimizer):
    """`HessianFree` on R models with R rates."""

    def __init__(
        self, params: Sequence[Tensor], lr: Sequence[float], method: HessianFree, callables: Callables
    ) -> None:
        super().__init__(params, lr)
        self._method, self._flat = method, FlatParameters(params, len(lr))
        # The oracle's "monitor" is where losses without gradients are asked: here the mini-batch's.
        self._oracle = Oracle(self._flat, monitor=callables["batch"], curvature=callables["curvature"], maximize=False)
        self._damping = self._flat.space.scalars(fill=method.damping)
        self._direction = self._flat.space.zeros()

    @property
    def oracle_calls_by_need(self) -> dict[Need, int]:
        """Products so far, and losses of the mini-batch, of which two are told as one gradient."""
        calls = self._oracle.calls
        return {
            Need.GAUSS_NEWTON_PRODUCT: calls[Need.GAUSS_NEWTON_PRODUCT],
            Need.BATCH_GRADIENT: calls[Need.MONITOR_LOSS] // 2,
        }

    def _advance(self) -> None:
        """One step; a run whose gradient is not finite stays."""
        flat = self._flat
        w, g = flat.gather(), flat.space.zeros()
        for view, p in zip(flat.views(g), flat.parameters, strict=True):
            if p.grad is not None:
                view.copy_(p.grad)
        sound = all_finite(g)
        g.masked_fill_(~sound.unsqueeze(1), 0.0)
        d, residual = self._solve(w, g)
        sound &= all_finite(d)
        d.masked_fill_(~sound.unsqueeze(1), 0.0)
        lr = self._lr
        p = -per_run(lr, d).to(d) * d
        # (G + lambda) d = g - residual, so that the model's curvature along d costs no further product.
        curvature = dot(d, g - residual) - self._damping * dot(d, d)
        expected = -lr * dot(d, g) + 0.5 * lr.square() * curvature
        before, after = self._oracle.loss(w), self._oracle.loss(w + p)
        self._adapt((after - before) / expected)
        flat.scatter(w + p, sound)
        self._direction = d

    def _solve(self, w: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return d and the residual g - (G + lambda) d."""
        d = self._method.carry * self._direction
        residual = g - self._product(w, d)
        q, squared = residual.clone(), dot(residual, residual)
        for _ in range(self._method.iterations):
            along = self._product(w, q)
            length = _ratio(squared, dot(q, along))
            d = d + per_run(length, q).to(q) * q
            residual = residual - per_run(length, q).to(q) * along
            before, squared = squared, dot(residual, residual)
            q = residual + per_run(_ratio(squared, before), q).to(q) * q
        return d, residual

    def _product(self, w: Tensor, v: Tensor) -> Tensor:
        return self._oracle.gauss_newton(w, v) + per_run(self._damping, v).to(v) * v

    def _adapt(self, ratio: Tensor) -> None:
        factor = self._method.factor
        # A loss that is not finite fails both comparisons, and must damp more: "unless well above 1/4".
        self._damping = torch.where(ratio > 0.25, self._damping, self._damping * factor)
        self._damping = torch.where(ratio > 0.75, self._damping / factor, self._damping)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Return above / below, and 0 where the solver has arrived (or below is not positive)."""
    return torch.where(below > 0, above / below.clamp(min=torch.finfo(below.dtype).tiny), 0.0)
