"""Hypothesis profiles: fast by default, ``--hypothesis-profile=thorough`` for hours; see verification/profiles.py."""

from __future__ import annotations

import os
import shutil

import pytest
import torch

from adaqn_lab import kernels
from verification import profiles

profiles.register()
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # triton reads it when it is first imported


@pytest.fixture
def compiled_kernels():
    """The kernels, compiled at the first use on a machine; what runs inside uses them."""
    if shutil.which("c++") is None and shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    kernels.load()
    yield "cpu"
    kernels.unload()


@pytest.fixture
def tiled_kernels():
    """The Triton kernels on the GPU, and where there is none run by Triton's interpreter on CPU tensors; the device."""
    pytest.importorskip("triton", reason="needs the package triton, which is for Linux only")
    from adaqn_lab.kernels import tiled

    with kernels.disabled():
        device = "cuda" if torch.cuda.is_available() else "cpu"
        tiled.use(True, device.upper())
        yield device
        tiled.use(False)
