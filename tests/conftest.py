"""Hypothesis profiles: fast by default, ``--hypothesis-profile=thorough`` for hours; see verification/profiles.py."""

from __future__ import annotations

import shutil

import pytest

from adaqn_lab import kernels
from verification import profiles

profiles.register()


@pytest.fixture
def compiled_kernels():
    """The kernels, compiled at the first use on a machine; what runs inside uses them."""
    if shutil.which("c++") is None and shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    kernels.load()
    yield
    kernels.unload()
