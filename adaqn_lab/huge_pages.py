"""Large tensors in huge pages: the rows of a memory are read many at a time, each from a page of its own.

Pages of 4 kB end a processor's prefetching and fill its table of addresses; Linux gives pages of 2 MB to those who ask
before they first write (``madvise``), unless it is set to give them always or never. Elsewhere nothing is asked.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Callable

import torch
from torch import Tensor

LARGE = 1 << 22
"""Bytes from which a tensor is worth it: with less, the pages at its ends are much of it."""


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, pinned: bool = False) -> Tensor:
    """``torch.empty``; large ones on the CPU which are not ``pinned`` in huge pages, where the system gives them."""
    tensor = torch.empty(shape, dtype=dtype, device=device, pin_memory=pinned)
    size = tensor.numel() * tensor.element_size()
    if device.type == "cpu" and not pinned and size >= LARGE and (ask := _madvise()) is not None:
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (tensor.data_ptr() + size) // mmap.PAGESIZE * mmap.PAGESIZE
        ask(start, end - start, mmap.MADV_HUGEPAGE)  # advice: what is refused is as it was
    return tensor


def zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, pinned: bool = False) -> Tensor:
    """``torch.zeros`` of :func:`empty`."""
    return empty(shape, dtype, device, pinned).zero_()


@functools.cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """The C library's, where it and the advice exist."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    found: Callable[[int, int, int], int] | None = getattr(ctypes.CDLL(None), "madvise", None)
    if found is not None:
        found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)  # type: ignore[attr-defined]
    return found
