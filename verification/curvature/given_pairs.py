"""Pairs as somebody gives them: arrays, tensors or lists of vectors; what cannot be pairs is told in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from verification.roles import BadSubjectError

Array = NDArray[Any]
_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-9, "float16": 2.0**-11}


@dataclass(frozen=True)
class GivenPairs:
    """``S``, ``Y`` (m, n) float64, the oldest pair first, and the diagonal ``h0`` (n,) of H0, all entries > 0.

    ``dtype``: the coarser of those in which S and Y came; ``numbers`` (m,): which pairs of the given ones these are,
    counted from 1; ``h0_said``: where H0 is from, in words.
    """

    S: Array
    Y: Array
    h0: Array
    dtype: str
    numbers: tuple[int, ...]
    h0_said: str

    @property
    def roundoff(self) -> float:
        """u of the dtype: to what the entries of s and y are known."""
        return _ROUNDOFF[self.dtype]

    @property
    def uniform(self) -> bool:
        """Whether H0 is a multiple of the identity."""
        return bool((self.h0 == self.h0[0]).all())

    def where(self, kept: Array) -> GivenPairs:
        """Only the pairs of the mask ``kept`` (m,)."""
        numbers = tuple(n for n, keep in zip(self.numbers, kept, strict=True) if keep)
        return replace(self, S=self.S[kept], Y=self.Y[kept], numbers=numbers)


def given_pairs(S: Any, Y: Any, h0: Any = None) -> GivenPairs:
    """Check and convert; without ``h0`` it is s'y / y'y of the newest pair with s'y > 0. Raises BadSubjectError."""
    (s, s_dtype), (y, y_dtype) = (_rows(name, value) for name, value in (("S", S), ("Y", Y)))
    if s.shape != y.shape:
        raise BadSubjectError(
            f"S has shape {s.shape} and Y {y.shape}; both are (m, n), a row for each pair with the oldest first."
        )
    if 0 in s.shape:
        raise BadSubjectError(f"S has shape {s.shape}, which holds no pair; give at least one pair of one number.")
    for name, rows in (("S", s), ("Y", y)):
        _check_finite(name, rows)
    dtype = max((s_dtype, y_dtype), key=lambda each: _ROUNDOFF[each])
    diagonal, said = _own_h0(s, y) if h0 is None else _given_h0(h0, s.shape[1])
    return GivenPairs(s, y, diagonal, dtype, tuple(range(1, len(s) + 1)), said)


def _rows(name: str, value: Any) -> tuple[Array, str]:
    """(m, n) float64 and the dtype in which it came; integers count as float64."""
    try:
        if isinstance(value, list | tuple) and value and all(isinstance(row, torch.Tensor) for row in value):
            value = torch.stack([row.detach().cpu() for row in value])
        if isinstance(value, torch.Tensor):
            dtype = str(value.dtype).removeprefix("torch.")
            rows = value.detach().cpu().to(torch.float64 if not value.is_complex() else value.dtype).numpy()
        else:
            rows = np.asarray(value)
            dtype = str(rows.dtype)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise BadSubjectError(f"{name} is no matrix of numbers ({reason}); give one row for each pair.") from error
    if rows.ndim != 2:
        raise BadSubjectError(
            f"{name} has shape {rows.shape}; it is (m, n), a row for each pair: one vector s goes in as s[None]."
        )
    if rows.dtype.kind not in "fiu":
        raise BadSubjectError(f"{name} holds {rows.dtype}; pairs are real numbers, float64 or float32 for example.")
    return rows.astype(np.float64, copy=False), dtype if dtype in _ROUNDOFF else "float64"


def _check_finite(name: str, rows: Array) -> None:
    """Raise BadSubjectError which tells the first number that is none."""
    for index, row in enumerate(rows):
        wrong = np.flatnonzero(~np.isfinite(row))
        if len(wrong):
            more = f" and {len(wrong) - 1} more of that pair" if len(wrong) > 1 else ""
            raise BadSubjectError(
                f"{name} has {row[wrong[0]]} in pair {index + 1} of {len(rows)}, element {wrong[0]} (from 0){more}; "
                "leave that pair out, and look at the step which made it."
            )


def _own_h0(s: Array, y: Array) -> tuple[Array, str]:
    """gamma I with gamma = s'y / y'y of the newest pair with s'y > 0, as L-BFGS has it; I if there is none."""
    products = np.einsum("ij,ij->i", s, y)
    usable = np.flatnonzero(products > 0)
    if not len(usable):
        return np.ones(s.shape[1]), "I, since no pair has s'y > 0"
    newest = usable[-1]
    gamma = float(products[newest] / (y[newest] @ y[newest]))
    return np.full(s.shape[1], gamma), f"{gamma:.4g} I, which is s'y / y'y of pair {newest + 1}"


def _given_h0(h0: Any, n: int) -> tuple[Array, str]:
    """A number, or the diagonal's n entries."""
    try:
        value = h0.detach().cpu().double().numpy() if isinstance(h0, torch.Tensor) else np.asarray(h0, np.float64)
    except (TypeError, ValueError) as error:
        raise BadSubjectError(f"h0={h0!r} is no number; give one number, or the n entries of H0's diagonal.") from error
    if value.size not in (1, n) or value.ndim > 2 or max(value.shape, default=1) != value.size:
        raise BadSubjectError(
            f"h0 has shape {value.shape} and the pairs {n} elements; give one number, or the {n} entries of H0's "
            "diagonal."
        )
    entries = np.broadcast_to(value.reshape(-1), (n,)).copy()
    wrong = np.flatnonzero(~(np.isfinite(entries) & (entries > 0)))
    if len(wrong):
        raise BadSubjectError(
            f"h0 has {entries[wrong[0]]} at element {wrong[0]} (from 0); H0 is positive definite, so give numbers > 0."
        )
    return (
        entries,
        f"{entries[0]:.4g} I" if value.size == 1 else f"a diagonal, {entries.min():.3g} to {entries.max():.3g}",
    )
