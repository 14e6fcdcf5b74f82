"""Which devices the kernels serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_serving: set[str] = set()
"""The types of devices."""


def _compiled() -> Callable[[bool], None]:
    from adaqn_lab.kernels import compiled

    return compiled.use


def _tiled() -> Callable[[bool], None]:
    try:
        from adaqn_lab.kernels import tiled
    except ImportError as error:
        raise RuntimeError(
            f"The kernels for CUDA need the package triton ({error}); install it, or go on without load(): "
            "everything works in plain torch."
        ) from error
    return tiled.use


_FORMS = {"cpu": _compiled, "cuda": _tiled}


def load(device: str = "cpu") -> None:
    """Use the kernels for the tensors of that device from now on.

    ``"cpu"``: C++, compiled at the first call on a machine (it says so, 20 to 60 seconds); needs a compiler (gcc or
    clang) and ninja (``pip install adaqn-lab[kernels]``). ``"cuda"``: Triton, compiled at the first step; needs the
    package triton, which comes with torch's CUDA builds. Raises ``RuntimeError`` in one sentence where something is
    missing or fails, and ``ValueError`` for another device; the plain torch form stays in use then.
    """
    if device not in _FORMS:
        raise ValueError(f"There are no kernels for device={device!r}; choose 'cpu' or 'cuda'.")
    if device not in _serving:
        _FORMS[device]()(True)
        _serving.add(device)


def unload() -> None:
    """Go on in plain torch, on every device."""
    for device in sorted(_serving):
        _FORMS[device]()(False)
    _serving.clear()


def loaded(device: str = "cpu") -> bool:
    """Whether the kernels for that device are in use."""
    return device in _serving


@contextmanager
def disabled() -> Iterator[None]:
    """Inside the block everything runs in plain torch, whether :func:`load` was called or not."""
    before = sorted(_serving)
    unload()
    try:
        yield
    finally:
        for device in before:
            load(device)
