"""Open the forms for a kind of device; decide what they serve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

_TYPES = {(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)}
_forms: dict[str, ModuleType] = {}
"""By the device's type: a module with ``rows_dot``, ``add_combination_`` and ``direction_``."""


def load(device: str = "cpu") -> None:
    """Use the kernels for the tensors of that device from now on.

    ``"cpu"``: C++, compiled at the first call on a machine; needs a compiler (gcc or clang) and ninja
    (``pip install adaqn-lab[kernels]``). ``"cuda"``: Triton, compiled at the first step; needs the package triton,
    which comes with torch's CUDA builds. Raises ``RuntimeError`` in one sentence where something is missing or fails,
    and ``ValueError`` for another device; the plain torch form stays in use then.
    """
    if device == "cpu":
        from adaqn_lab.kernels import compiled

        compiled.open_library()
        _forms[device] = compiled
    elif device == "cuda":
        try:
            from adaqn_lab.kernels import tiled
        except ImportError as error:
            raise RuntimeError(
                f"The kernels for CUDA need the package triton ({error}); install it, or go on without load(): "
                "everything works in plain torch."
            ) from error
        _forms[device] = tiled
    else:
        raise ValueError(f"There are no kernels for device={device!r}; choose 'cpu' or 'cuda'.")


def unload() -> None:
    """Go on in plain torch, on every device."""
    _forms.clear()


def loaded(device: str = "cpu") -> bool:
    """Whether the kernels for that device are in use."""
    return device in _forms


@contextmanager
def disabled() -> Iterator[None]:
    """Inside the block everything runs in plain torch, whether :func:`load` was called or not."""
    before = dict(_forms)
    _forms.clear()
    try:
        yield
    finally:
        _forms.update(before)


def serving(rows: Tensor, v: Tensor) -> ModuleType | None:
    """The forms which work on these rows (R, m, n) and vectors (R, n); None for plain torch."""
    forms = _forms.get(v.device.type)
    if (
        forms is None
        or rows.device != v.device
        or (rows.dtype, v.dtype) not in _TYPES
        or not rows.is_contiguous()
        or not v.is_contiguous()
    ):
        return None
    return forms


def passing(v: Tensor, rows: Tensor | None = None) -> ModuleType | None:
    """The forms which have the passes over single vectors too: ``keep_finite_``, ``write_``, ``add_difference_``.

    Those in Triton have not: an operator of torch is one launch there, as a kernel would be.
    """
    forms = serving(v if rows is None else rows, v)
    return forms if hasattr(forms, "keep_finite_") else None
