"""First-order baselines from `torch.optim`, under the same interface as a recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import Callables
from studies.baselines.rates import RunByRun, RunRates

Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class TorchOptimizer:
    """An optimizer class of `torch.optim`, with torch's own defaults except for ``options`` and the learning rate.

    For R runs its update must be elementwise, in proportion to lr (`RunRates`). ``decay`` is the ``weight_decay`` of a
    class which decouples it, w <- (1 - lr decay) w.
    """

    kind: Callable[..., Optimizer]
    options: Options = ()
    decay: float | None = None

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each."""
        if len(lr) > 1:
            return RunRates(params, lr, self._make, decay=self.decay or 0.0)
        decay = {} if self.decay is None else {"weight_decay": self.decay}
        return self.kind(params, lr=lr[0], **dict(self.options), **decay)

    def _make(self, params: Sequence[Tensor], lr: float) -> Optimizer:
        decay = {} if self.decay is None else {"weight_decay": 0.0}
        return self.kind(params, lr=lr, **dict(self.options), **decay)

    def __repr__(self) -> str:
        decay = () if self.decay is None else (("weight_decay", self.decay),)
        options = ", ".join(f"{name}={value!r}" for name, value in (*self.options, *decay))
        return f"torch.optim.{self.kind.__name__}({options})"


@dataclass(frozen=True)
class MuonWithAdamW:
    """`torch.optim.Muon` on the matrices between input and output layer, `torch.optim.AdamW` on all else.

    One rate serves both: Muon's is scaled to the root mean square of AdamW's updates (``match_rms_adamw``). No weight
    decay, as for the other baselines. Input layer and output layer are the first and the last matrix; every gate
    matrix of an LSTM layer is part of one matrix (4H, H), as torch stores it.
    """

    momentum: float = 0.95

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each."""
        return RunByRun(params, lr, self._make)

    def _make(self, params: Sequence[Tensor], lr: float) -> list[Optimizer]:
        hidden = [p for p in params if p.dim() == 2][1:-1]
        others = [p for p in params if all(p is not q for q in hidden)]
        adam = torch.optim.AdamW(others, lr=lr, weight_decay=0.0)
        if not hidden:
            return [adam]
        muon = torch.optim.Muon(hidden, lr=lr, weight_decay=0.0, momentum=self.momentum, adjust_lr_fn="match_rms_adamw")
        return [muon, adam]
