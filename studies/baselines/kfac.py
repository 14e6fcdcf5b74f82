"""K-FAC: every matrix preconditioned by the second moments of its inputs and of the gradients in its outputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab import Need
from adaqn_lab.space import per_run
from studies.baselines.factory import Callables
from studies.baselines.runs import RunsOptimizer, finite
from studies.models import LinearMap


@dataclass(frozen=True, kw_only=True)
class KFac:
    """[W b] <- [W b] - lr (G + ..)^-1 [dW db] (A + ..)^-1 for every linear map y = W a + b inside the model.

    A = mean of a a', G = mean of g g' over places and ``memory``-averaged in time, g the gradient of one sequence's
    loss in y for targets drawn from the model; renewed every ``every`` steps. Damping: A + pi sqrt(damping) I and
    G + sqrt(damping) / pi I with pi^2 the ratio of their mean diagonals. For an embedding A is diagonal, the shares of
    the symbols; G is taken to be diagonal where a map has more than ``largest`` outputs. One factor shortens a run's
    step d where lr^2 d'g, about its length in the Fisher matrix, is above ``trust``.

    After Martens and Grosse (2015); the steps of a sequence are taken to be independent, the simplest of what Martens,
    Ba and Johnson (2018) offer for recurrent networks. A layer's two matrices, on inputs and on the state before, are
    blocks of their own; gates of an LSTM are one output. Momentum and the adaptation of the damping are left out.
    """

    damping: float = 1e-3
    memory: float = 0.95
    every: int = 10
    trust: float = 1e-2
    largest: int = 1024

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each, in the model's order; it needs ``factors``."""
        return KFacOptimizer(params, lr, self, callables)


@dataclass
class _Block:
    """What is known of one map: its parameters, factors A (R, I, I) and G (R, O, O), one axis less if diagonal."""

    weight: Tensor
    bias: Tensor | None
    a: Tensor
    g: Tensor
    a_inverse: Tensor
    g_inverse: Tensor


class KFacOptimizer(RunsOptimizer):
    """`KFac` on R models with R rates."""

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float], method: KFac, callables: Callables) -> None:
        super().__init__(params, lr)
        self._method, self._factors, self._steps = method, callables["factors"], 0
        self._blocks: list[_Block] = []
        self._renewals = 0

    @property
    def oracle_calls_by_need(self) -> dict[Need, int]:
        """Backward passes for drawn targets so far, each a gradient of the mini-batch."""
        return {Need.BATCH_GRADIENT: self._renewals}

    def _advance(self) -> None:
        if self._steps % self._method.every == 0:
            self._renew()
        self._steps += 1
        steps = [_preconditioned(block) for block in self._blocks]
        length = sum((step * gradient).flatten(1).sum(1).double() for step, gradient in steps)
        lr = self._lr
        factor = lr * torch.sqrt(self._method.trust / (lr.square() * length)).clamp(max=1.0)
        for block, (step, _) in zip(self._blocks, steps, strict=True):
            moved = per_run(factor, step).to(step) * step
            if block.bias is not None:
                block.bias.sub_(moved[..., -1])
                moved = moved[..., :-1]
            block.weight.sub_(moved)

    def _renew(self) -> None:
        """Measure the factors, average them in time, invert them."""
        self._renewals += 1
        measured = [(each, *self._moments(each, slopes)) for each, slopes in self._factors()]
        keep = self._method.memory if self._blocks else 0.0
        if not self._blocks:
            self._blocks = [
                _Block(self._parameters[each.weight], None if each.bias is None else self._parameters[each.bias],
                       a, g, a, g)
                for each, a, g in measured
            ]  # fmt: skip
        for block, (_, a, g) in zip(self._blocks, measured, strict=True):
            block.a, block.g = keep * block.a + (1.0 - keep) * a, keep * block.g + (1.0 - keep) * g
            block.a_inverse, block.g_inverse = _inverses(block.a, block.g, self._method.damping)

    def _moments(self, of: LinearMap, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Return A and G from the map's inputs and the mean loss's gradients (R, N, O) in its outputs."""
        inputs, places = of.inputs, slopes.shape[1]
        # The loss is a mean over places, so a place's own gradient is ``places`` times what arrives here.
        if slopes.shape[2] > self._method.largest:
            g = slopes.square().sum(1) * places
        else:
            g = torch.bmm(slopes.transpose(1, 2), slopes) * places
        if inputs.dim() == 2:
            shares = slopes.new_zeros(self._parameters[of.weight].shape[:2])
            return shares.scatter_add_(1, inputs, torch.ones_like(inputs, dtype=slopes.dtype)) / places, g
        if of.bias is not None:
            inputs = torch.cat((inputs, torch.ones_like(inputs[..., :1])), dim=-1)
        return torch.bmm(inputs.transpose(1, 2), inputs) / places, g


def _diagonal(factor: Tensor) -> Tensor:
    return factor if factor.dim() == 2 else factor.diagonal(dim1=1, dim2=2)


def _inverses(a: Tensor, g: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    tiny = torch.finfo(a.dtype).tiny
    pi = torch.sqrt(_diagonal(a).mean(1).clamp(min=tiny) / _diagonal(g).mean(1).clamp(min=tiny))
    return _inverse(a, pi * damping**0.5), _inverse(g, damping**0.5 / pi)


def _inverse(factor: Tensor, ridge: Tensor) -> Tensor:
    """Return (M + ridge I)^-1; a run whose matrix is not finite gets NaN, and its neighbours do not notice."""
    if factor.dim() == 2:
        return 1.0 / (factor + ridge.unsqueeze(1))
    eye = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    ridged = factor + ridge.view(-1, 1, 1) * eye
    sound = finite(ridged)
    inverse, _ = torch.linalg.inv_ex(torch.where(sound, ridged, eye))
    return torch.where(sound, inverse, torch.nan)


def _preconditioned(block: _Block) -> tuple[Tensor, Tensor]:
    """Return G^-1 [dW db] A^-1 and [dW db]; an embedding's W has symbols as rows, so its sides are swapped."""
    gradient = block.weight.grad
    assert gradient is not None  # every map is on the loss's way
    if block.a.dim() == 2:
        return _times(block.a_inverse, torch.bmm(gradient, block.g_inverse)), gradient
    if block.bias is not None and block.bias.grad is not None:
        gradient = torch.cat((gradient, block.bias.grad.unsqueeze(2)), dim=2)
    return _times(block.g_inverse, torch.bmm(gradient, block.a_inverse)), gradient


def _times(factor: Tensor, x: Tensor) -> Tensor:
    return factor.unsqueeze(2) * x if factor.dim() == 2 else torch.bmm(factor, x)
