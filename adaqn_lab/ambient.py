"""torch's ambient modes do not reach the algorithm's arithmetic; the user's callables see them as they were.

Autocast would make float32 products bfloat16, a lower matmul precision TF32 or bfloat16 sums, inference mode tensors
which no later step may write to. What is asked at each step costs under a microsecond where nothing is switched on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()
_LOCAL = threading.local()
"""``given``, while plain arithmetic is on in this thread: the modes as the user left them."""
_LOCK = threading.Lock()
_HELD: list[tuple[str, str]] = []
"""The precisions as the user left them, once for every thread which holds them off: they are the process's own."""


def _autocasts(kind: str) -> bool:
    return kind != "meta" and torch.is_autocast_enabled(kind)


def _rounds() -> bool:
    """Whether float32 matrix products may be rounded; a mixture of torch's two settings does not say."""
    try:
        return bool(_HELD) or torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:
        return True


def plain_arithmetic(device: torch.device) -> AbstractContextManager[None]:
    """Inside the block float32 is float32 on that device, and tensors are ordinary ones."""
    if not _autocasts(device.type) and not torch.is_inference_mode_enabled() and not _rounds():
        return _NOTHING
    return _plain(device.type)


@contextmanager
def _plain(kind: str) -> Iterator[None]:
    outer = getattr(_LOCAL, "given", None)
    _LOCAL.given = (kind, _autocasts(kind), torch.get_autocast_dtype(kind) if kind != "meta" else None)
    gradients = torch.is_grad_enabled()
    try:
        with contextlib.ExitStack() as stack:
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.set_grad_enabled(gradients))
            if _autocasts(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
            stack.enter_context(_exact())
            yield
    finally:
        _LOCAL.given = outer


@contextmanager
def as_given() -> Iterator[None]:
    """Inside the block autocast and the precision of products are what they were before :func:`plain_arithmetic`.

    The precision stays exact while another thread needs it so.
    """
    given = getattr(_LOCAL, "given", None)
    if given is None:
        yield
        return
    kind, autocast, dtype = given
    _LOCAL.given = None  # what the user nests in here has modes of its own
    try:
        with torch.autocast(kind, dtype=dtype) if autocast else _NOTHING, _released():
            yield
    finally:
        _LOCAL.given = given


@contextmanager
def _exact() -> Iterator[None]:
    """The products of float32 matrices are not rounded; the last thread to leave hands the settings back."""
    with _LOCK:
        _HELD.append(_HELD[0] if _HELD else _precisions())
        _set(("ieee", "ieee"))
    try:
        yield
    finally:
        _release()


@contextmanager
def _released() -> Iterator[None]:
    """The other way round, within :func:`_exact`."""
    _release()
    try:
        yield
    finally:
        with _LOCK:
            _HELD.append(_HELD[0] if _HELD else _precisions())
            _set(("ieee", "ieee"))


def _release() -> None:
    with _LOCK:
        given = _HELD.pop()
        if not _HELD:
            _set(given)


def _backends() -> tuple[Any, Any]:
    return torch.backends.cuda.matmul, torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


def _precisions() -> tuple[str, str]:
    """Of CUDA's and the CPU library's products; "none" where they follow the setting for everything."""
    overall = torch.backends.fp32_precision  # type: ignore[attr-defined]
    first, second = (backend.fp32_precision for backend in _backends())
    return tuple("none" if own == overall else own for own in (first, second))  # type: ignore[return-value]


def _set(precisions: tuple[str, str]) -> None:
    for backend, precision in zip(_backends(), precisions, strict=True):
        backend.fp32_precision = precision
