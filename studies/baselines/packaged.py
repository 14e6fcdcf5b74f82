"""Shampoo and SOAP from the package pytorch_optimizer, which is the optional extra ``studies-baselines``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import Callables
from studies.baselines.rates import RunByRun
from studies.baselines.torch_optimizers import Options
from studies.errors import InputError


@dataclass(frozen=True)
class PackagedOptimizer:
    """An optimizer of pytorch_optimizer with that package's defaults, except for ``options`` and the rate."""

    kind: str
    options: Options = ()

    def require_installed(self) -> None:
        """Raise `InputError` in one sentence where the package is absent."""
        self._module()

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each: one of the package's for each run."""
        return RunByRun(params, lr, self._make)

    def _make(self, params: Sequence[Tensor], lr: float) -> list[Optimizer]:
        return [getattr(self._module(), self.kind)(params, lr=lr, **dict(self.options))]

    def _module(self) -> Any:
        try:
            import pytorch_optimizer
        except ImportError as error:
            raise InputError(
                f"{self.kind} needs the package pytorch_optimizer ({error}): install "
                "adaqn-lab[studies-baselines], or leave it out of --variants."
            ) from error
        return pytorch_optimizer

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options)
        return f"pytorch_optimizer.{self.kind}({options})"
