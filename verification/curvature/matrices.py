"""The matrix that y ought to be a product with: Hessian, Gauss-Newton or Fisher of a curvature batch, by products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from adaqn_lab.oracle import Oracle
from adaqn_lab.protocols import Sample
from adaqn_lab.space import FlatParameters
from verification.roles import BadSubjectError

Kind = Literal["hessian", "gauss-newton", "fisher"]
KINDS: tuple[Kind, ...] = ("hessian", "gauss-newton", "fisher")
Closure = Callable[[], Any]
Sampled = Callable[[Tensor], Tensor]
T = TypeVar("T")
_AT_MOST = 1e-3
"""How far the loss's second derivative may be from softmax cross-entropy's, relative to itself."""


class CurvatureMatrix:
    """Products with B of the curvature callable's loss, and its gradient, at any point; vectors (R, n).

    ``kind``: "hessian"; "gauss-newton", J'H_L J of the outputs; "fisher", E[g g'] over examples whose labels are the
    model's own. The Fisher matrix is the Gauss-Newton matrix where the loss is softmax cross-entropy of the outputs
    (Martens, JMLR 21 (2020), section 9.2), which is tried at the first product; for another loss ``sampled`` maps
    outputs to the losses of all examples on labels drawn from them, and B v = (1/N) sum_i g_i (g_i'v). ``said`` tells
    which. By default "gauss-newton" where the callable returns outputs, else "hessian".
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        runs: int,
        curvature: Closure,
        kind: Kind | None,
        sampled: Sampled | None,
        maximize: bool,
    ) -> None:
        self._flat = FlatParameters(parameters, runs)
        self._oracle = Oracle(self._flat, curvature=curvature, maximize=maximize)
        self._curvature, self._sampled, self._kind = curvature, sampled, kind
        self._sign = -1.0 if maximize else 1.0
        self.said = ""

    @property
    def flat(self) -> FlatParameters:
        """The parameters as a vector."""
        return self._flat

    def gradient(self, w: Tensor) -> Tensor:
        """That of the loss at ``w``."""
        return _told(lambda: self._oracle.gradient(w, Sample.CURVATURE))

    def product(self, w: Tensor, v: Tensor) -> Tensor:
        """B v at ``w``."""
        if not self.said:
            self._decide(w)
        if self._kind == "hessian":
            return _told(lambda: self._oracle.hessian_vector(w, v))
        if self._kind == "fisher" and self._sampled is not None:
            return _told(lambda: self._sign * self._sampled_fisher(w, v))
        return _told(lambda: self._oracle.gauss_newton(w, v))

    def _decide(self, w: Tensor) -> None:
        """Which matrix it is, in words."""
        if self._kind is None:
            self._kind = "gauss-newton" if isinstance(self._value(w), tuple) else "hessian"
        self.said = {"hessian": "the Hessian", "gauss-newton": "the Gauss-Newton matrix"}.get(self._kind, "")
        if self._kind != "fisher":
            return
        if self._sampled is not None:
            self.said = "the Fisher matrix of sampled labels"
        elif _told(lambda: self._is_softmax(w)):
            self.said = "the Fisher matrix, which for softmax cross-entropy is the Gauss-Newton matrix"
        else:
            raise BadSubjectError(
                "audit: the curvature loss is not softmax cross-entropy of the outputs, so its Fisher matrix needs "
                "sampled=, outputs -> losses of all examples on labels drawn from them; pass that, or "
                "matrix='gauss-newton'."
            )

    def _value(self, w: Tensor) -> Any:
        with torch.enable_grad(), self._flat.at(w):
            return _told(self._called)

    def _called(self) -> Any:
        """The callable's value, with the note which the oracle puts on what it raises."""
        try:
            return self._curvature()
        except Exception as error:
            error.add_note("The curvature callable raised this.")
            raise

    def _loss_and_outputs(self) -> tuple[Tensor, Tensor]:
        value = self._called()
        if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Tensor)):
            raise TypeError("The curvature callable must return (loss, outputs) for the Fisher matrix.")
        return value

    def _is_softmax(self, w: Tensor) -> bool:
        """Whether the loss's second derivative in the outputs is weight (diag(p) - p p'), p the softmax, everywhere."""
        with torch.enable_grad(), self._flat.at(w):
            loss, outputs = self._loss_and_outputs()
            (slope,) = torch.autograd.grad(loss.sum(), outputs, create_graph=True)
            if not slope.requires_grad:
                return False
            u = torch.randn_like(outputs)
            (curved,) = torch.autograd.grad(slope, outputs, u)
        return any(_softmax_like(outputs.detach(), u, curved, dim) for dim in range(1, outputs.dim()))

    def _sampled_fisher(self, w: Tensor, v: Tensor) -> Tensor:
        """(1/N) J'J v, J the Jacobian of the N losses; J v by differentiating J'u in u."""
        assert self._sampled is not None
        result = torch.zeros_like(v)
        rows = [(p, x, out) for p, x, out in zip(
            self._flat.parameters, self._flat.views(v), self._flat.views(result), strict=True
        ) if p.requires_grad]  # fmt: skip
        with torch.enable_grad(), self._flat.at(w):
            losses = self._sampled(self._loss_and_outputs()[1])
            count = losses.numel() // self._flat.space.runs
            u = torch.zeros_like(losses, requires_grad=True)
            pulled = torch.autograd.grad(losses, [p for p, _, _ in rows], u, create_graph=True, allow_unused=True)
            used = [(g, x.to(g.dtype)) for g, (_, x, _) in zip(pulled, rows, strict=True) if g is not None]
            (pushed,) = torch.autograd.grad([g for g, _ in used], u, [x for _, x in used])
            products = torch.autograd.grad(losses, [p for p, _, _ in rows], pushed / count, allow_unused=True)
        for (_, _, out), product in zip(rows, products, strict=True):
            if product is not None:
                out.copy_(product)
        return result


def _softmax_like(outputs: Tensor, u: Tensor, curved: Tensor, dim: int) -> bool:
    p = outputs.softmax(dim)
    expected = p * u - p * (p * u).sum(dim, keepdim=True)
    size = expected.square().sum(dim, keepdim=True)
    weight = (expected * curved).sum(dim, keepdim=True) / size.clamp(min=torch.finfo(size.dtype).tiny)
    return bool((curved - weight * expected).norm() <= _AT_MOST * curved.norm()) and bool((weight >= 0).all())


def _told(work: Callable[[], T]) -> T:
    """Do it; whatever is raised becomes one sentence."""
    try:
        return work()
    except BadSubjectError:
        raise
    except Exception as error:
        raised = any("curvature callable raised" in note for note in getattr(error, "__notes__", ()))
        text = " ".join(str(error).split()).rstrip(".")
        if not raised and text.startswith("The curvature callable"):
            raise BadSubjectError(f"audit: {text[0].lower()}{text[1:]}.") from error
        what = "the curvature callable raised" if raised else "a product with the curvature matrix raised"
        raise BadSubjectError(
            f"audit: {what} {type(error).__name__} ({text}); call it by itself to see why, the training is unharmed."
        ) from error
