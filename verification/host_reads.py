"""Does anything read a tensor on the host? A GPU waits for that, and a CUDA graph cannot hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

READS = frozenset(
    {
        *("aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal", "aten::allclose"),
        *("aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_consecutive", "aten::bincount"),
        "aten::_linalg_check_errors",
    }
)
"""Operators whose result, or whose size, the host must know."""
PAST_THE_DISPATCHER = ("tolist", "numpy", "__array__")


class HostReadError(AssertionError):
    """A tensor was read on the host."""


def _refuse(*_: Any, **__: Any) -> Any:
    raise HostReadError("tolist or numpy reads a tensor on the host")


class Watch(TorchDispatchMode):
    """Counts operators in ``count`` and fails on those which read a tensor.

    ``reads``: so many reads there must be, each of one element of a tensor on the CPU.
    """

    def __init__(self, reads: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[str] = Counter()
        self.reads = reads
        self._patches = ExitStack()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch's own switch: its default imports torch._dynamo at the first operator, which takes two seconds."""
        return False

    def __enter__(self) -> Watch:
        for name in PAST_THE_DISPATCHER:
            self._patches.enter_context(mock.patch.object(torch.Tensor, name, _refuse))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        self._patches.close()
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        assert any(error) or self.reads == 0, f"{self.reads} reads fewer than there must be"

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count, refuse or run one operator."""
        name = func._schema.name
        if name == "aten::_local_scalar_dense" and self.reads and args[0].device.type == "cpu":
            self.reads -= 1
        elif name in READS or _counts_a_mask(name, args):
            raise HostReadError(f"{name} reads a tensor on the host")
        self.count[name] += 1
        return func(*args, **kwargs or {})


def _counts_a_mask(name: str, args: Any) -> bool:
    """Whether it is an index by a boolean mask, whose True ones the host counts; ``x[mask] = 1.0`` only fills."""
    if not name.startswith("aten::index") or len(args) < 2 or not isinstance(args[1], list | tuple):
        return False
    fills = name.startswith("aten::index_put") and args[2].numel() == 1
    return not fills and any(i is not None and i.dtype == torch.bool for i in args[1])


class Unread:
    """``part``, whose methods and those of the H0 that it returns fail when they read a tensor."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        return watched(name, value) if callable(value) and name != "init" else value


def watched(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """``method`` under the watch; AssertionError with its name."""

    def call(*arguments: Any) -> Any:
        try:
            with Watch():
                made = method(*arguments)
        except HostReadError as error:
            raise AssertionError(
                f"{name}: {error}; a GPU waits for that and graphs=True cannot record it: decide by masks (torch.where)"
            ) from error
        return Unread(made) if hasattr(made, "solve_") else made

    return call
