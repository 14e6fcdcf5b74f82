"""Values of the objective at any point, from callables ``() -> loss``; counts its calls by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from adaqn_lab.ambient import as_given
from adaqn_lab.protocols import Need, Sample
from adaqn_lab.space import FlatParameters

Closure = Callable[[], Any]
"""``() -> loss``; for Gauss-Newton products ``() -> (loss, outputs)``."""


class Oracle:
    """Evaluates the user's callables with the parameters moved to a point, and puts every bit back.

    The callables see the model in the mode in which they put it (``model.eval()`` is theirs to call, or
    :func:`adaqn_lab.evaluating`'s), autocast as it is around the step, and the loss without weight decay. With
    ``maximize`` the sign is flipped here, as the gradient's is. In a ``torch.distributed`` job the value is averaged
    over the ranks, so that all of them decide alike. A callable may return ``(loss, outputs)`` wherever a loss is asked
    for. What it raises or returns amiss is told with its name.

    ``calls`` counts evaluations by :class:`~adaqn_lab.protocols.Need`.
    """

    def __init__(
        self,
        flat: FlatParameters,
        monitor: Closure | None = None,
        curvature: Closure | None = None,
        batch: Closure | None = None,
        overlap: Closure | None = None,
        *,
        maximize: bool,
    ) -> None:
        self._flat = flat
        self._closures = {"monitor": monitor, "curvature": curvature, "batch": batch, "overlap": overlap}
        self.maximize = maximize
        self.calls: Counter[Need] = Counter()

    @property
    def _sign(self) -> float:
        return -1.0 if self.maximize else 1.0

    def loss(self, w: Tensor) -> Tensor:
        """Monitor loss at ``w`` (R, n), without gradients: (R,) float64."""
        with torch.no_grad(), self._flat.at(w):
            value = self._evaluate(Need.MONITOR_LOSS).double()
        return self._mean_over_ranks(self._sign * value)

    def gradient(self, w: Tensor, sample: Sample) -> Tensor:
        """Gradient of the sample's loss at ``w``: (R, n), without weight decay. One forward and backward pass."""
        parameters, outs, gradient = self._segments(w)
        with torch.enable_grad(), self._flat.at(w):
            loss = self._differentiable(sample.value)
            _fill(outs, torch.autograd.grad(loss, parameters, allow_unused=True))
        return self._mean_over_ranks(self._sign * gradient)

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """Hessian of the curvature loss at ``w`` times ``v``, by differentiating twice: (R, n)."""
        parameters, outs, product = self._segments(v)
        direction = self._trained(v)
        with torch.enable_grad(), self._flat.at(w):
            loss = self._differentiable(Need.HESSIAN_VECTOR_PRODUCT)
            first = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
            used = [(g, u) for g, u in zip(first, direction, strict=True) if g is not None and g.requires_grad]
            if used:
                gradients, directions = zip(*used, strict=True)
                _fill(outs, torch.autograd.grad(gradients, parameters, directions, allow_unused=True))
        return self._mean_over_ranks(self._sign * product)

    def gauss_newton(self, w: Tensor, v: Tensor) -> Tensor:
        """J' H_L J v at ``w``, J the Jacobian of the outputs and H_L the Hessian of the loss in them: (R, n).

        J v by differentiating J'u in u, so that every layer with a first derivative of its backward pass will do.
        Raises ``TypeError`` if the curvature callable does not return (loss, outputs), or its loss does not
        depend on them or is linear in them.
        Source: Schraudolph, Neural Computation 14 (2002), for the products.
        """
        parameters, outs, product = self._segments(v)
        direction = self._trained(v)
        with torch.enable_grad(), self._flat.at(w):
            value = self._call(Need.GAUSS_NEWTON_PRODUCT)
            if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Tensor)):
                raise TypeError(
                    f"The curvature callable returned {type(value).__name__}, and Gauss-Newton products need the "
                    f"model's outputs; {_WITH_OUTPUTS}."
                )
            loss, outputs = self._per_run(value[0], "curvature").sum(), value[1]
            (slope,) = torch.autograd.grad(loss, outputs, create_graph=True, allow_unused=True)
            if slope is None:
                raise TypeError(
                    f"The curvature callable's loss does not depend on the outputs which it returned; {_WITH_OUTPUTS}."
                )
            if not slope.requires_grad:
                raise TypeError(_NO_CURVATURE)
            u = torch.zeros_like(outputs, requires_grad=True)
            pulled = torch.autograd.grad(outputs, parameters, u, create_graph=True, allow_unused=True)
            used = [(g, d) for g, d in zip(pulled, direction, strict=True) if g is not None and g.requires_grad]
            if used:
                back, along = zip(*used, strict=True)
                (pushed,) = torch.autograd.grad(back, u, along)
                (curved,) = torch.autograd.grad(slope, outputs, pushed)
                _fill(outs, torch.autograd.grad(outputs, parameters, curved, allow_unused=True))
        return self._mean_over_ranks(self._sign * product)

    def _segments(self, like: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """The parameters which are differentiated, their segments of a zero vector, and that vector."""
        result = torch.zeros_like(like)
        parameters = [p for p in self._flat.parameters if p.requires_grad]  # frozen ones keep a zero
        return parameters, self._trained(result), result

    def _trained(self, flat: Tensor) -> list[Tensor]:
        """The segments of ``flat`` which belong to the parameters that are differentiated; autograd casts them."""
        pairs = zip(self._flat.parameters, self._flat.views(flat), strict=True)
        return [v for p, v in pairs if p.requires_grad]

    def _call(self, need: Need) -> Any:
        """The callable's value as it is, counted."""
        closure = self._closures[need.argument]
        if closure is None:  # a declared need would have been refused by the optimizer's constructor
            raise RuntimeError(
                f"A part asked for the {need.value}, and no {need.argument} callable was passed; let its needs name "
                f"Need.{need.name}, and pass {need.argument}= to the optimizer."
            )
        self.calls[need] += 1
        # Inside the user's autocast the weights of another point would still lie in its cache, here and afterwards.
        torch.clear_autocast_cache()
        with as_given():
            try:
                return closure()
            except Exception as error:
                if need is Need.MONITOR_LOSS and isinstance(error, RuntimeError) and "grad" in str(error):
                    raise RuntimeError(
                        f"The monitor callable asks for gradients ({str(error).splitlines()[0]}) and is called "
                        "without; let it return the loss and no more, or compute under torch.enable_grad() inside it."
                    ) from error
                error.add_note(f"The {need.argument} callable raised this; the window is decided at the next step.")
                raise
            finally:
                torch.clear_autocast_cache()

    def _evaluate(self, need: Need) -> Tensor:
        """The callable's loss as (R,), counted."""
        value = self._call(need)
        return self._per_run(value[0] if isinstance(value, tuple) and value else value, need.argument)

    def _differentiable(self, need: Need) -> Tensor:
        """The callable's loss summed over the runs, () with a gradient."""
        loss = self._evaluate(need).sum()
        if not loss.requires_grad:
            raise TypeError(
                f"The {need.argument} callable returned a loss without a gradient; compute it from the model's "
                "parameters, outside torch.no_grad() and without detach() or item()."
            )
        return loss

    def _per_run(self, value: Any, name: str) -> Tensor:
        """The callable's loss as (R,)."""
        runs, device = self._flat.space.runs, self._flat.space.device
        if isinstance(value, bool) or not isinstance(value, Tensor | int | float):
            raise TypeError(
                f"The {name} callable returned {value!r}, which is {type(value).__name__}; it must return the loss, a "
                "tensor with one value for each run."
            )
        loss = (
            value.to(device) if isinstance(value, Tensor) else torch.full((), value, dtype=torch.float64, device=device)
        )
        if loss.numel() != runs:
            raise ValueError(
                f"The {name} callable returned shape {tuple(loss.shape)}; it must return one loss for each of "
                f"the {runs} run(s): reduce over the batch, not over the runs."
            )
        return loss.reshape(runs)

    @staticmethod
    def _mean_over_ranks(value: Tensor) -> Tensor:
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            dist.all_reduce(value)
            value /= dist.get_world_size()
        return value


_WITH_OUTPUTS = "let it return (loss, outputs) with the loss computed from those outputs"
_NO_CURVATURE = (
    "Gauss-Newton products need the loss's Hessian in the outputs, and this loss is linear in them; "
    "take a loss with a second derivative, such as cross-entropy, or other pairs, such as HessianVector()."
)


def _fill(outs: Sequence[Tensor], values: Iterable[Tensor | None]) -> None:
    """Copy what there is; an unused parameter's segment stays zero."""
    for out, value in zip(outs, values, strict=True):
        if value is not None:
            out.copy_(value.detach())
