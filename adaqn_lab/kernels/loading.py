"""Compile or open the kernels; decide what they serve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

_TYPES = {(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)}
_active = False


def load() -> None:
    """Compile the kernels, or open what an earlier call compiled, and use them from now on.

    Needs a C++ compiler (gcc or clang) and ninja (``pip install adaqn-lab[kernels]``). Raises ``RuntimeError`` in one
    sentence where one is missing or fails; the plain torch form stays in use then.
    """
    global _active
    if not _known():
        from torch.utils import cpp_extension

        flags = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"]
        if torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
            # Compiled, but not linked, with OpenMP: its symbols are those of torch's own runtime, and of its threads.
            flags += ["-fopenmp", "-DAT_PARALLEL_OPENMP=1"]
        source = str(Path(__file__).with_name("kernels.cpp"))
        try:
            cpp_extension.load("adaqn_lab_kernels", [source], extra_cflags=flags, is_python_module=False)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise RuntimeError(
                f"The kernels could not be compiled ({reason}); install a C++ compiler and ninja, or go on without "
                "load(): everything works in plain torch."
            ) from error
    _active = True


def _known() -> bool:
    """Whether this process has opened the library."""
    return hasattr(torch.ops.adaqn_lab, "direction")


def unload() -> None:
    """Go on in plain torch."""
    global _active
    _active = False


def loaded() -> bool:
    """Whether the kernels are in use."""
    return _active


@contextmanager
def disabled() -> Iterator[None]:
    """Inside the block everything runs in plain torch, whether :func:`load` was called or not."""
    global _active
    before, _active = _active, False
    try:
        yield
    finally:
        _active = before


def serve(rows: Tensor, v: Tensor) -> bool:
    """Whether the kernels are in use and can work on these rows (R, m, n) and vectors (R, n)."""
    return (
        _active
        and rows.device.type == "cpu" == v.device.type
        and (rows.dtype, v.dtype) in _TYPES
        and rows.is_contiguous()
        and v.is_contiguous()
    )
