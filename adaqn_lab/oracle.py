"""Values of the objective at any point, from callables ``() -> loss``; counts its calls by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from adaqn_lab.protocols import Need
from adaqn_lab.space import FlatParameters

Closure = Callable[[], Tensor | float]


class Oracle:
    """Evaluates the user's callables with the parameters moved to a point, and puts every bit back.

    The callables see the model in the mode in which they put it (``model.eval()`` is theirs to call) and the
    loss without weight decay. With ``maximize`` the sign is flipped here, as the gradient's is. In a
    ``torch.distributed`` job the value is averaged over the ranks, so that all of them decide alike.

    ``calls`` counts evaluations by :class:`~adaqn_lab.protocols.Need`.
    """

    def __init__(
        self,
        flat: FlatParameters,
        monitor: Closure | None,
        curvature: Closure | None,
        *,
        maximize: bool,
    ) -> None:
        self._flat = flat
        self._monitor = monitor
        self._curvature = curvature
        self.maximize = maximize
        self.calls: Counter[Need] = Counter()

    @property
    def _sign(self) -> float:
        return -1.0 if self.maximize else 1.0

    def loss(self, w: Tensor) -> Tensor:
        """Monitor loss at ``w`` (R, n), without gradients: (R,) float64."""
        assert self._monitor is not None  # the optimizer's constructor refused the recipe otherwise
        self.calls[Need.MONITOR_LOSS] += 1
        with torch.no_grad(), self._flat.at(w):
            value = self._per_run(self._monitor(), "monitor").double()
        return self._mean_over_ranks(self._sign * value)

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """Hessian of the curvature loss at ``w`` times ``v``, by differentiating twice: (R, n)."""
        assert self._curvature is not None
        self.calls[Need.HESSIAN_VECTOR_PRODUCT] += 1
        product = torch.zeros_like(v)
        segments = zip(self._flat.parameters, self._flat.views(v), self._flat.views(product), strict=True)
        trained = [(p, u.to(p.dtype), out) for p, u, out in segments if p.requires_grad]  # frozen ones: zero
        parameters, direction, outs = zip(*trained, strict=True)
        with torch.enable_grad(), self._flat.at(w):
            loss = self._per_run(self._curvature(), "curvature").sum()
            first = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
            used = [(g, u) for g, u in zip(first, direction, strict=True) if g is not None and g.requires_grad]
            if used:
                gradients, directions = zip(*used, strict=True)
                second = torch.autograd.grad(gradients, parameters, directions, allow_unused=True)
                for out, h in zip(outs, second, strict=True):
                    if h is not None:
                        out.copy_(h)
        return self._mean_over_ranks(self._sign * product)

    def _per_run(self, value: Tensor | float, name: str) -> Tensor:
        """The callable's value as (R,)."""
        runs = self._flat.space.runs
        loss = torch.as_tensor(value, device=self._flat.space.device)
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
