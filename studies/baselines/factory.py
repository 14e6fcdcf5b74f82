"""How a baseline enters a study."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from torch.optim import Optimizer

Callables = Mapping[str, Callable[[], Any]]
"""What training can tell beside gradients, by the argument of `QuasiNewton` that takes it."""


@runtime_checkable
class OptimizerFactory(Protocol):
    """Anything with `build`: how a baseline enters a study.

    What is built keeps its R rates in ``param_groups[0]["lr"]``, a float64 tensor (R,) on the parameters' device, and
    reads them afresh at every step, so that a schedule fills them in place. Its attribute ``capturable`` says whether
    `step()` may be captured in a CUDA graph: after one step outside (some of torch's optimizers make their state there)
    every step launches the same kernels on the same tensors and the host waits for none of them. The gradients must
    then stay where they are (``zero_grad(set_to_none=False)``, or a backward pass in the same graph). It is False where
    what a step does depends on its number, or where a linear algebra routine reports to the host.

    One rate on a CPU is the exception: there `TorchOptimizer` builds torch's own optimizer, whose rate is a number and
    which has no such attribute. So ask with ``getattr(optimizer, "capturable", False)``.
    """

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each, for R runs with the rates ``lr``."""
        ...
