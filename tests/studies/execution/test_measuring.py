"""Processes that measure: their results, or how they ended, and none is left."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial

import pytest
import torch

from studies.execution.measuring import DoesNotFitError, at_the_same_time


def prepared(end: str) -> Callable[[], int]:
    """A measurement that ends so."""
    if end == "full while it prepares":
        raise MemoryError
    return partial(measured, end)


def measured(end: str) -> int:
    if end == "full":
        torch.empty(2**60, dtype=torch.uint8)
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "wrong":
        raise ZeroDivisionError
    return os.getpid()


def test_they_measure_in_processes_of_their_own() -> None:
    found, seconds = at_the_same_time(partial(prepared, "well"), 2)
    assert len({*found, os.getpid()}) == 3
    assert seconds > 0.0
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("end", "error", "told"),
    [
        ("full", DoesNotFitError, r"^out of memory$"),
        ("full while it prepares", DoesNotFitError, r"^out of memory$"),
        ("killed", DoesNotFitError, r"^killed \(memory\?\)$"),
        ("wrong", RuntimeError, "ended without a result"),
    ],
)
def test_how_they_ended_is_told(end: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        at_the_same_time(partial(prepared, end), 1)
    assert multiprocessing.active_children() == []
