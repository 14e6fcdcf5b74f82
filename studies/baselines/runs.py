"""What the optimizers written here for R runs have in common."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab.space import per_run


class RunsOptimizer(Optimizer):
    """An optimizer over (R, ...) parameters with R rates: a subclass says in ``_advance`` what a step does.

    What ``param_groups[0]["lr"]`` and ``capturable`` are, `OptimizerFactory` says.
    """

    capturable: bool = False

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float]) -> None:
        super().__init__(params, {"lr": torch.tensor(lr, dtype=torch.float64, device=params[0].device)})
        self._parameters: list[Tensor] = list(params)

    @property
    def _lr(self) -> Tensor:
        """The rates (R,) at this moment: a schedule may have filled them since the last step."""
        rates: Tensor = self.param_groups[0]["lr"]
        return rates

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in ``.grad``."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._advance()
        return loss

    def _advance(self) -> None:
        raise NotImplementedError


def gradients(params: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient of every parameter; `ValueError` if one has none."""
    found = [p.grad for p in params if p.grad is not None]
    if len(found) < len(params):
        raise ValueError(f"{len(params) - len(found)} of {len(params)} parameters have no gradient; call backward().")
    return found


def each_run(scalars: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
    """Return a scalar for each run, (R,), once for every parameter: in its dtype, and broadcasting over it."""
    cast = {dtype: scalars.to(dtype) for dtype in {p.dtype for p in params}}
    return [per_run(cast[p.dtype], p) for p in params]


def descend_(params: Sequence[Tensor], directions: Sequence[Tensor], rates: Tensor) -> None:
    """w <- w - rate d, for every parameter (R, ...) and every run's rate in ``rates`` (R,)."""
    torch._foreach_addcmul_(list(params), list(directions), each_run(-rates, params))


def finite(matrices: Tensor) -> Tensor:
    """Return (R, 1, 1), True for the runs whose matrix in (R, n, m) is finite."""
    return matrices.isfinite().flatten(1).all(1).view(-1, 1, 1)


def eigh_of_finite(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return ascending eigenvalues (R, n) and eigenvectors (R, n, n) of symmetric (R, n, n), in float64.

    A run whose matrix is not finite has NaN for both, and its neighbours do not notice: LAPACK is given the identity
    for it, as it would refuse the whole batch. float64, since eigenvalues far below the largest one count here.
    """
    sound = finite(matrices)
    eye = torch.eye(matrices.shape[-1], dtype=torch.float64, device=matrices.device)
    values, vectors = torch.linalg.eigh(torch.where(sound, matrices.double(), eye))
    return torch.where(sound.squeeze(2), values, torch.nan), torch.where(sound, vectors, torch.nan)
