"""Deterministic costs: operators, host reads, and the bytes of live tensors, seen by the dispatcher."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

READS = frozenset(
    f"aten::{name}"
    for name in (
        *("_local_scalar_dense", "item", "is_nonzero", "equal", "allclose"),
        *("nonzero", "masked_select", "_unique2", "_linalg_check_errors"),
    )
)
"""Operators whose result the host waits for."""


class Operators(TorchDispatchMode):
    """``count`` of the aten operators called, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[func._schema.name] += 1
        return func(*args, **kwargs or {})

    @property
    def calls(self) -> int:
        """All of them."""
        return self.count.total()

    @property
    def reads(self) -> int:
        """Those which read a tensor on the host."""
        return sum(n for name, n in self.count.items() if name in READS)


class Allocations(TorchDispatchMode):
    """Bytes of the storages which were made inside the block and still live: ``live``, and their highest, ``peak``.

    ``large`` counts the storages made of at least ``threshold`` bytes. What existed before is free; what an operator
    allocates and frees within itself is not seen (``memory.py`` checks that against the process's own size).
    """

    def __init__(self, threshold: int = 0) -> None:
        super().__init__()
        self.threshold = threshold
        self.live = self.peak = self.large = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for tensor in tree_iter((args, kwargs)):
            if isinstance(tensor, torch.Tensor):
                self._meet(tensor, new=False)
        result = func(*args, **kwargs)
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor):
                self._meet(tensor, new=True)
        return result

    def mark(self) -> None:
        """Forget the highest and the count: what follows is measured from here."""
        self.peak, self.large = self.live, 0

    def _meet(self, tensor: torch.Tensor, new: bool) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._known:
            return
        size = storage.nbytes() if new else 0

        def gone(_: object) -> None:
            del self._known[key]
            self.live -= size

        self._known[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)
        self.large += new and size >= self.threshold
