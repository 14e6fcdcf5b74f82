"""SOAP for R runs at once: Adam in the slowly turning eigenbases of a matrix's second moments."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import Callables
from studies.baselines.runs import RunsOptimizer, descend_, eigh_of_finite, finite, gradients


@dataclass(frozen=True, kw_only=True)
class SOAP:
    """Adam on Q_L' G Q_R for every matrix W (A, B) with gradient G, and plain Adam on all else.

    L <- s L + (1 - s) G G' and R <- s R + (1 - s) G'G after every step, s = ``shampoo_beta`` (``beta2`` if None); Q_L
    and Q_R are their eigenvectors, by decreasing eigenvalue: of the first gradient's at the start, and then one turn
    of the power iteration L Q_L, made orthogonal by QR, in every ``precondition_frequency`` steps.

    M <- beta1 M + (1 - beta1) G,  V <- beta2 V + (1 - beta2) (Q_L' G Q_R)^2,
    W <- W - lr c Q_L [Q_L' M Q_R / (sqrt(V) + eps)] Q_R' with Adam's correction c = sqrt(1 - beta2^t) / (1 - beta1^t).

    The first gradient serves for the bases alone: there is no step. A side longer than ``largest`` keeps the basis it
    has. No weight decay. After Vyas et al. (2024); defaults and order of things are those of pytorch_optimizer.SOAP.
    """

    beta1: float = 0.95
    beta2: float = 0.95
    shampoo_beta: float | None = None
    precondition_frequency: int = 10
    eps: float = 1e-8
    largest: int = 10000

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each, of at most two axes a run (``ValueError``)."""
        if odd := [tuple(p.shape[1:]) for p in params if p.dim() > 3]:
            raise ValueError(f"SOAP has no bases for tensors of more than two axes, as {odd[0]}.")
        return SOAPOptimizer(params, lr, self)


class SOAPOptimizer(RunsOptimizer):
    """`SOAP` on R models with R rates."""

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float], method: SOAP) -> None:
        super().__init__(params, lr)
        self._method, self._steps = method, 0
        self._count = torch.zeros((), dtype=torch.float64, device=params[0].device)
        self._m = [torch.zeros_like(p) for p in params]
        self._v = [torch.zeros_like(p) for p in params]
        self._bases = [Bases(p, method.largest) for p in params]

    def _advance(self) -> None:
        g = gradients(self._parameters)
        if self._steps > 0:
            self._count.add_(1.0)
            self._descend(g)
        self._measure(g)
        self._steps += 1

    def _descend(self, g: list[Tensor]) -> None:
        """Adam's step in the bases: m is kept in the parameters' own axes, v in the bases'."""
        beta1, beta2 = self._method.beta1, self._method.beta2
        torch._foreach_lerp_(self._m, g, 1.0 - beta1)
        turned = [bases.into(each) for bases, each in zip(self._bases, g, strict=True)]
        torch._foreach_lerp_(self._v, torch._foreach_mul(turned, turned), 1.0 - beta2)
        lengths = torch._foreach_sqrt(self._v)
        torch._foreach_add_(lengths, self._method.eps)
        means = [bases.into(each) for bases, each in zip(self._bases, self._m, strict=True)]
        adam = torch._foreach_div(means, lengths)  # not in place: a vector's mean is m itself
        steps = [bases.back(each) for bases, each in zip(self._bases, adam, strict=True)]
        correction = torch.sqrt(1.0 - beta2**self._count) / (1.0 - beta1**self._count)
        descend_(self._parameters, steps, self._lr * correction)

    def _measure(self, g: list[Tensor]) -> None:
        """Average the second moments; the first ones give the bases, later ones turn them."""
        method = self._method
        memory = method.beta2 if method.shampoo_beta is None else method.shampoo_beta
        for bases, each, v in zip(self._bases, g, self._v, strict=True):
            bases.measure(each, 1.0 - memory)
            if self._steps == 0:
                bases.start()
            elif self._steps % method.precondition_frequency == 0:
                bases.turn(v)


@dataclass
class Side:
    """One side of a matrix: second moments (R, n, n) along ``axis``, 1 or 2, and an orthogonal basis in columns."""

    axis: int
    moments: Tensor
    basis: Tensor

    def product(self, g: Tensor) -> Tensor:
        """Return G G' for the left side, G'G for the right one, of G (R, A, B)."""
        return torch.bmm(g, g.mT) if self.axis == 1 else torch.bmm(g.mT, g)

    def start(self) -> None:
        """The basis becomes the moments' eigenvectors, by decreasing eigenvalue."""
        self.basis.copy_(eigh_of_finite(self.moments)[1].flip(2))

    def turn(self, v: Tensor) -> Tensor:
        """One turn of the power iteration; return ``v`` with its entries in the new order of the columns.

        Columns are sorted by the eigenvalue that q' L q estimates, which QR then keeps. A run that is not finite is
        given NaN, and QR the identity in its place.
        """
        ahead = torch.bmm(self.moments, self.basis)
        order = torch.argsort((self.basis * ahead).sum(1), dim=1, descending=True)
        ahead = torch.take_along_dim(ahead, order.unsqueeze(1), dim=2)
        sound = finite(ahead)
        eye = torch.eye(ahead.shape[-1], dtype=ahead.dtype, device=ahead.device)
        basis, _ = torch.linalg.qr(torch.where(sound, ahead, eye))
        self.basis.copy_(torch.where(sound, basis, torch.nan))
        return torch.take_along_dim(v, order.unsqueeze(3 - self.axis), dim=self.axis)


class Bases:
    """The bases of a parameter (R, A, B), and of any other one (R, ...) none."""

    def __init__(self, like: Tensor, largest: int) -> None:
        axes = [axis for axis in (1, 2) if like.dim() == 3 and like.shape[axis] <= largest]
        squares = [(axis, (like.shape[0], like.shape[axis], like.shape[axis])) for axis in axes]
        self.sides = [Side(axis, like.new_zeros(square), like.new_zeros(square)) for axis, square in squares]

    def measure(self, g: Tensor, share: float) -> None:
        """Moments <- (1 - share) moments + share of this gradient's."""
        for side in self.sides:
            side.moments.lerp_(side.product(g), share)

    def start(self) -> None:
        """Take the eigenvectors of the moments."""
        for side in self.sides:
            side.start()

    def turn(self, v: Tensor) -> None:
        """Turn the bases towards the moments' eigenvectors; ``v``, which is told in them, follows in place."""
        sorted_v = v
        for side in self.sides:
            sorted_v = side.turn(sorted_v)
        v.copy_(sorted_v)

    def into(self, x: Tensor) -> Tensor:
        """Return Q_L' X Q_R."""
        for side in self.sides:
            x = torch.bmm(side.basis.mT, x) if side.axis == 1 else torch.bmm(x, side.basis)
        return x

    def back(self, x: Tensor) -> Tensor:
        """Return Q_L X Q_R'."""
        for side in self.sides:
            x = torch.bmm(side.basis, x) if side.axis == 1 else torch.bmm(x, side.basis.mT)
        return x
