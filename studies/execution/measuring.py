"""Fresh processes that measure at the same time, and what becomes of them where the memory does not suffice."""

import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from signal import SIGKILL
from typing import Any, TypeVar

from studies.training.device import is_out_of_memory

T = TypeVar("T")
_READY, _FULL = "ready", "out of memory"


class DoesNotFitError(Exception):
    """The processes had not enough memory; the message says how they ended."""


def at_the_same_time(prepare: Callable[[], Callable[[], T]], processes: int) -> tuple[list[T], float]:
    """Return what ``prepare()()`` gives in fresh processes, and their seconds until all were prepared.

    Raises `DoesNotFitError`. All have ended when this returns: the next ones find the memory free.
    """
    context = multiprocessing.get_context("spawn")
    begin, started = time.perf_counter(), list[tuple[SpawnProcess, Connection]]()
    try:
        for _ in range(processes):
            mine, theirs = context.Pipe()
            process = context.Process(target=_measure, args=(theirs, prepare), daemon=True)
            process.start()
            theirs.close()
            started.append((process, mine))
        for each in started:
            _answer(*each)
        startup = time.perf_counter() - begin
        for _, end in started:
            with suppress(ConnectionError):  # it has ended: its answer says how
                end.send("go")
        return [_answer(*each) for each in started], startup
    except BaseException:
        for process, _ in started:
            process.kill()
        raise
    finally:
        for process, end in started:
            end.close()
            process.join()


def _answer(process: SpawnProcess, end: Connection) -> Any:
    """Return what a process says next."""
    try:
        told = end.recv()
    except (EOFError, ConnectionError):
        process.join()
        if process.exitcode == -SIGKILL:  # as Linux ends who takes the last of the memory
            raise DoesNotFitError("killed (memory?)") from None
        raise RuntimeError("A measuring process ended without a result; what it said stands above.") from None
    if told == _FULL:
        raise DoesNotFitError(told)
    return told


def _measure(pipe: Connection, prepare: Callable[[], Callable[[], object]]) -> None:
    try:
        measure = prepare()
        pipe.send(_READY)
        pipe.recv()
        pipe.send(measure())
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        pipe.send(_FULL)
