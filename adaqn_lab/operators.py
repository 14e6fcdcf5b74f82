"""The operators of the algorithm, in torch's dispatcher: ``torch.ops.adaqn_lab.*``.

Each has a plain form (:mod:`adaqn_lab.plain`), which torch composes of its own operators on every device; the kernels
(:mod:`adaqn_lab.kernels`) register faster forms for the CPU and for CUDA, which serve contiguous tensors in the types
that ``served`` names. What does not fit them runs in the plain form.

Shapes: R runs of n parameters, m rows; vectors (R, n), rows (R, m, n), scalars and masks (R,).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from adaqn_lab import plain

_ROWS = "Tensor S, Tensor Y, Tensor A, Tensor D, Tensor held"
_H0 = "Tensor? squares, Tensor? weight, Tensor? gamma, float eps"
SCHEMAS = {
    "rows_dot": "(Tensor rows, Tensor v) -> Tensor",
    "add_combination_": "(Tensor(a!) v, Tensor coefficients, Tensor rows) -> ()",
    "direction_": f"(Tensor(a!) v, {_ROWS}, {_H0}) -> ()",
    "keep_finite_": "(Tensor(a!) v, Tensor? where) -> Tensor",
    "write_row_": "(Tensor(a!) rows, Tensor row, Tensor head, Tensor? where) -> ()",
    "descend_": "(Tensor(a!)[] totals, Tensor(b!)[] parameters, Tensor[] references, Tensor[] d, float[] rates) -> ()",
}

_LIBRARY: Any = torch.library.Library("adaqn_lab", "DEF")  # type: ignore[no-untyped-call]
for _name, _schema in SCHEMAS.items():
    _LIBRARY.define(_name + _schema)
    # Implicit: what watches torch's operators (a profiler, a counter of launches) sees those it is composed of.
    _LIBRARY.impl(_name, getattr(plain, _name), "CompositeImplicitAutograd")

OPS: Any = torch.ops.adaqn_lab
"""The namespace: ``OPS.rows_dot(rows, v)``."""

_TYPES = {(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)}


def served(rows: Tensor, v: Tensor) -> bool:
    """Whether a registered kernel may take these rows and this vector: contiguous, of one device, of known types."""
    return (rows.dtype, v.dtype) in _TYPES and rows.is_contiguous() and v.is_contiguous() and rows.device == v.device
