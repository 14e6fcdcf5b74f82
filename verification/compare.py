"""Comparisons which fail with both numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


def _numbers(x: ArrayLike | Tensor) -> NDArray[Any]:
    if not isinstance(x, Tensor):
        return np.asarray(x)
    x = x.detach().cpu()
    return x.float().numpy() if x.dtype is torch.bfloat16 else x.numpy()  # exact; NumPy has no bfloat16


def _text(x: NDArray[Any]) -> str:
    return np.array2string(x, precision=17, threshold=8, separator=", ")


def close(got: ArrayLike | Tensor, expected: ArrayLike | Tensor, atol: ArrayLike, what: str) -> None:
    """Raise AssertionError unless |got - expected| <= atol everywhere; a NaN is never close."""
    a, b = _numbers(got).astype(np.float64), _numbers(expected).astype(np.float64)
    if a.shape != b.shape:
        raise AssertionError(f"{what}: shape {a.shape}, expected {b.shape}")
    error = np.abs(a - b)
    if not bool(np.all(error <= atol)):
        worst = float(np.max(np.nan_to_num(error, nan=np.inf), initial=0.0))
        allowed = float(np.min(np.asarray(atol)))
        raise AssertionError(f"{what}: got {_text(a)}, expected {_text(b)}; off by {worst:.3g}, allowed {allowed:.3g}")


def same(got: ArrayLike | Tensor, expected: ArrayLike | Tensor, what: str) -> None:
    """Raise AssertionError unless the two agree bit for bit (a NaN equals a NaN) in dtype, shape and value."""
    a, b = _numbers(got), _numbers(expected)
    if a.dtype != b.dtype or a.shape != b.shape:
        raise AssertionError(f"{what}: got {a.dtype} {a.shape}, expected {b.dtype} {b.shape}")
    if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        raise AssertionError(f"{what}: got {_text(a)}, expected the very bits of {_text(b)}")


def holds(condition: bool | Tensor, what: str) -> None:
    """Raise AssertionError with ``what`` unless the condition is true."""
    if not bool(condition):
        raise AssertionError(what)


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of a NumPy dtype name."""
    return {"float64": torch.float64, "float32": torch.float32}[name]
