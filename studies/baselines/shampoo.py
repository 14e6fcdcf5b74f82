"""Shampoo for R runs at once: inverse roots of second moments on every side, the length of AdaGrad's step."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import Callables
from studies.baselines.runs import RunsOptimizer, descend_, each_run, eigh_of_finite, gradients

_SMALLEST_EIGENVALUE = 1e-16
_SMALLEST_LENGTH = 1e-16


@dataclass(frozen=True, kw_only=True)
class Shampoo:
    """Shampoo's direction with the length of AdaGrad's step. With the length of SGD's it followed SGD closely.

    For a matrix W (A, B) with gradient G:  L <- beta2 L + (1 - beta2) G G',  R <- beta2 R + (1 - beta2) G'G, which
    start at ``matrix_eps`` I, and P = L^(-1/4) G R^(-1/4); in general one root of order 2 k for each of k sides
    (`inverse_root`), taken afresh in every ``precondition_frequency`` steps, the identity before.
    AdaGrad's step is D = G / (sqrt(sum of G^2) + ``diagonal_eps``), and P is stretched to its length, P <- P |D| / |P|.
    Momentum is Nesterov's: M <- beta1 M + P,  W <- W - lr (beta1 M + P). Before step ``start`` D takes P's place there.

    `sides` says what the sides of a tensor are. They are cut into blocks of at most ``block_size``, each with roots of
    its own; tensors with a side above ``largest``, and short vectors, go by D alone. No weight decay.

    After Gupta, Koren and Singer (2018) and Anil et al. (2020), as pytorch_optimizer.ScalableShampoo has it: its
    defaults, but roots and start every 10 steps instead of 1000 and at 25, and AdaGrad's length.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    precondition_frequency: int = 10
    start: int = 10
    block_size: int = 512
    largest: int = 8192
    diagonal_eps: float = 1e-10
    matrix_eps: float = 1e-6

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each."""
        return ShampooOptimizer(params, lr, self)


class ShampooOptimizer(RunsOptimizer):
    """`Shampoo` on R models with R rates."""

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float], method: Shampoo) -> None:
        super().__init__(params, lr)
        self._method, self._steps = method, 0
        self._squares = [torch.zeros_like(p) for p in params]
        self._momentum = [torch.zeros_like(p) for p in params]
        self._adagrad_momentum = [torch.zeros_like(p) for p in params]
        self._blocks = [blocks(p, method) for p in params]

    def _advance(self) -> None:
        g = [each.contiguous() for each in gradients(self._parameters)]
        self._steps += 1
        self._measure(g)
        adagrad = self._adagrad(g)
        p = self._stretched(g, adagrad)
        ahead = _nesterov(self._momentum, p, self._method.beta1)
        if self._steps < self._method.start:
            ahead = _nesterov(self._adagrad_momentum, adagrad, self._method.beta1)
        descend_(self._parameters, ahead, self._lr)

    def _measure(self, g: list[Tensor]) -> None:
        """Average every block's moments; take their roots when it is time to."""
        due = self._steps % self._method.precondition_frequency == 0
        for parts, each in zip(self._blocks, g, strict=True):
            for block in parts:
                block.measure(each, self._method.beta2)
                if due:
                    block.take_roots(self._method.matrix_eps)

    def _adagrad(self, g: list[Tensor]) -> list[Tensor]:
        """Return D for every parameter."""
        torch._foreach_addcmul_(self._squares, g, g)
        lengths = torch._foreach_sqrt(self._squares)
        torch._foreach_add_(lengths, self._method.diagonal_eps)
        return list(torch._foreach_div(g, lengths))

    def _stretched(self, g: list[Tensor], adagrad: list[Tensor]) -> list[Tensor]:
        """Return P for every parameter, each run's as long as its D; it is D itself where there are no roots."""
        result = []
        for parts, each, d in zip(self._blocks, g, adagrad, strict=True):
            p = _preconditioned(parts, each) if parts else d
            factor = _lengths(d) / (_lengths(p) + _SMALLEST_LENGTH)
            result.append(p * each_run(factor, [p])[0])
        return result


def _nesterov(momentum: list[Tensor], steps: list[Tensor], beta: float) -> list[Tensor]:
    """M <- beta M + P in place; return beta M + P with the new M."""
    torch._foreach_mul_(momentum, beta)
    torch._foreach_add_(momentum, steps)
    ahead = torch._foreach_mul(momentum, beta)
    torch._foreach_add_(ahead, steps)
    return list(ahead)


def _lengths(x: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(x.reshape(x.shape[0], -1), dim=1)
    return lengths


def _preconditioned(parts: "list[Block]", g: Tensor) -> Tensor:
    result = torch.empty_like(g)
    for block in parts:
        block.of(result).copy_(block.precondition(g))
    return result


def sides(shape: Sequence[int], most: int) -> tuple[int, ...]:
    """Return a tensor's sides: neighbouring axes are merged from the left while their product is at most ``most``.

    What is merged by then ends at an axis that would exceed it, and where the first axis does that itself, the nothing
    before it counts as a side of length 1 (it changes the order of the roots). Empty if all axes merge into one.

    >>> sides((65, 64), 512), sides((600, 32), 512), sides((16, 8), 512)
    ((65, 64), (1, 600, 32), ())
    """
    merged, product = [], 1
    for length in shape:
        if product * length > most:
            merged.append(product)
            product = 1
        product *= length
    return (*merged, product) if merged else ()


def blocks(p: Tensor, method: Shampoo) -> "list[Block]":
    """Return the blocks of a parameter (R, ...), none if it goes by AdaGrad's step alone."""
    shape = p.shape[1:]
    merged = sides(shape, method.block_size)
    if not merged or max(shape) > method.largest:
        return []
    starts = [range(0, length, method.block_size) for length in merged]
    cut = [[slice(a, min(a + method.block_size, n)) for a in row] for row, n in zip(starts, merged, strict=True)]
    return [Block(p, merged, place, method.matrix_eps) for place in itertools.product(*cut)]


class Block:
    """A block of a parameter: for each of its k sides, of length n, second moments and their roots (R, n, n)."""

    def __init__(self, p: Tensor, merged: tuple[int, ...], place: tuple[slice, ...], eps: float) -> None:
        self._shape, self._place = (p.shape[0], *merged), (slice(None), *place)
        eyes = [torch.eye(part.stop - part.start, dtype=p.dtype, device=p.device) for part in place]
        self.moments = [eps * eye.repeat(p.shape[0], 1, 1) for eye in eyes]
        self.roots = [eye.repeat(p.shape[0], 1, 1) for eye in eyes]

    def of(self, x: Tensor) -> Tensor:
        """Return this block of ``x``, a view with a run in front and an axis for each side."""
        return x.view(self._shape)[self._place]

    def measure(self, g: Tensor, memory: float) -> None:
        """Moments <- memory moments + (1 - memory) U U', the block unfolded along each side, U (R, n, rest)."""
        block = self.of(g)
        for axis, moments in enumerate(self.moments, 1):
            unfolded = block.movedim(axis, 1).flatten(2)
            moments.baddbmm_(unfolded, unfolded.mT, beta=memory, alpha=1.0 - memory)

    def take_roots(self, eps: float) -> None:
        """Take the roots of the moments as they are now."""
        for root, moments in zip(self.roots, self.moments, strict=True):
            root.copy_(inverse_root(moments, 2 * len(self.moments), eps))

    def precondition(self, g: Tensor) -> Tensor:
        """Return the block of ``g`` times the root of each side."""
        block = self.of(g)
        for axis, root in enumerate(self.roots, 1):
            moved = block.movedim(axis, 1)
            block = torch.bmm(root, moved.flatten(2)).view(moved.shape).movedim(1, axis)
        return block


def inverse_root(moments: Tensor, order: int, eps: float) -> Tensor:
    """Return (M + eps lambda I)^(-1/order) for each M of ``moments`` (R, n, n), lambda its largest eigenvalue.

    A run whose matrix is not finite gets NaN.
    """
    values, vectors = eigh_of_finite(moments)
    values = values.clamp(min=0.0)  # rounding leaves some just below
    ridge = eps * values[:, -1:].clamp(min=_SMALLEST_EIGENVALUE)
    return torch.bmm(vectors * (values + ridge).pow(-1.0 / order).unsqueeze(1), vectors.mT).to(moments.dtype)
