"""Hypothesis profiles: fast by default, ``--hypothesis-profile=thorough`` for hours; see verification/profiles.py."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from adaqn_lab import kernels
from tests import fork_server
from verification import profiles

Once = Callable[[str, Callable[[Path], None]], Path]

profiles.register()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup pytest &: its commands heed Ctrl-C all the same
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # triton reads it when it is first imported
    fork_server.install()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """For ``-n auto`` one more than there are cores: a test in eight waits for processes, servers or clocks."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """First what waits for processes: one worker waits while the others compute, and none waits alone at the end."""
    waits = ("tests/studies/commands/", "tests/studies/execution/", "tests/examples/")
    items.sort(key=lambda item: not item.nodeid.startswith(waits))


def pytest_collection_finish():
    """What was imported and collected lives to the end: the garbage collector need not walk it again and again."""
    gc.freeze()


def pytest_unconfigure():
    gc.unfreeze()  # a library that counts its objects at the end would call them leaked


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Once:
    """``once(name, make)``: a folder that ``make`` fills for all processes of a test run; treat it as read-only."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], None]) -> Path:
        place, whole = shared / name, shared / f"{name}.whole"
        with FileLock(shared / f"{name}.lock"):
            if not whole.exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make(place)
                whole.touch()
        return place

    return made


@pytest.fixture
def real_processes() -> Iterator[None]:
    """Started ones, not forked: for what a command does while it starts."""
    with fork_server.real():
        yield


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
