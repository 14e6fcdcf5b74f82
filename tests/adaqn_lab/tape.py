"""What a CUDA graph does, on any device: operators recorded once and run again on the same tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class Tape(TorchDispatchMode):
    """Keeps every operator with its arguments and results; :meth:`replay` writes new results over the old ones.

    As in a graph, numbers are what they were, tensors are where they were, and Python does not run. Tensors made from
    Python data are refused, on a GPU they are copies from the host; and so are reads on the host, for which a capture
    would have to wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.startswith("aten::lift"):
            raise RuntimeError("a tensor was made from Python data")
        if func._schema.name == "aten::_local_scalar_dense":
            raise RuntimeError("a tensor was read on the host")
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        bare = tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, (args, kwargs, result))
        self.calls.append((torch.is_grad_enabled(), func, *bare))  # some operators save more where there are gradients
        return result

    def replay(self) -> None:
        """Run everything once more."""
        for with_gradients, func, args, kwargs, written in self.calls:
            with torch.set_grad_enabled(with_gradients):
                new = func(*args, **kwargs)
            if any(r.alias_info is not None for r in func._schema.returns):
                continue  # written in place, or a view of what was
            for old, value in zip(tree_leaves(written), tree_leaves(new), strict=True):
                if isinstance(old, Tensor):
                    old.copy_(value)


def record(work: Callable[[], None]) -> Callable[[], None]:
    """Run and record: what :class:`adaqn_lab.graphs.CudaGraph` does on a GPU."""
    with Tape() as tape:
        work()
    return tape.replay
