"""Patience: a storage that is out of reach is asked again, until it answers or time is up."""

import abc
import errno
import functools
import inspect
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from studies.execution.secrets import scrubbed

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
_NETWORK = (errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETRESET)
_SQL_STATES = ("08", "40", "53", "57", "58", "55P03", "25006")
"""Connections, deadlocks, resources, shutdowns, failing systems, locks, a server now read-only."""
_NOT_TO_BE_HEALED = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|no password supplied"
    r"|not permitted to log in|permission denied|invalid port|invalid connection option"
    r"|does not support SSL"
)
_RPC_CODES = (
    "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "INTERNAL", "RESOURCE_EXHAUSTED",
)  # fmt: skip

T = TypeVar("T")


class StorageLost(Exception):  # noqa: N818 - the storage is lost, the results are not
    """A storage is out of reach or spoilt; the message is the reason."""


def storage_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions by which a storage fails, as far as its packages are loaded."""
    found: list[type[Exception]] = [StorageInternalError, StorageLost]
    if "sqlalchemy" in sys.modules:
        found.append(sys.modules["sqlalchemy"].exc.SQLAlchemyError)
    if "grpc" in sys.modules:
        found.append(sys.modules["grpc"].RpcError)
    return tuple(found)


def reason_of(error: BaseException) -> str:
    """Return the first line of what a storage's exception says, without SQL and passwords."""
    error = _cause(error)
    told = error.details() if hasattr(error, "details") and callable(error.details) else str(error)
    lines = [line.strip() for line in str(told or "").splitlines() if line.strip()]
    return scrubbed(lines[0] if lines else type(error).__name__).rstrip(".:")


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def is_outage(error: BaseException) -> bool:
    """Return whether waiting may help: the server is away, rather than the request wrong."""
    error = _cause(error)
    if isinstance(error, OSError):
        away = (ConnectionError, TimeoutError, socket.gaierror)
        return isinstance(error, away) or error.errno in _NETWORK
    if "grpc" in sys.modules and isinstance(error, sys.modules["grpc"].RpcError):
        return _is_rpc_outage(error)
    if "sqlalchemy" not in sys.modules:
        return False
    sql = sys.modules["sqlalchemy"].exc
    if isinstance(error, sql.DBAPIError):
        if state := getattr(error.orig, "sqlstate", None):
            return str(state).startswith(_SQL_STATES)
        broken = isinstance(error, sql.OperationalError | sql.InterfaceError | sql.InternalError)
        return broken and not _NOT_TO_BE_HEALED.search(str(error.orig))
    return isinstance(error, sql.TimeoutError | sql.PendingRollbackError)


def _is_rpc_outage(error: Any) -> bool:
    if not callable(getattr(error, "code", None)):
        return False
    code, details = getattr(error.code(), "name", ""), str(error.details() or "")
    if code == "UNKNOWN":
        # The proxy itself answers, and its database does not.
        signs = ("during the commit", "OperationalError", "Stream removed")
        return any(sign in details for sign in signs)
    return code in _RPC_CODES and "larger than max" not in details


class Patience:
    """Do a call again, with growing pauses, until ``seconds`` have passed since its first failure.

    ``on_wait`` is told once that ``what`` is waited for, and once that it answers again, however
    many threads wait. After ``stop`` is set nothing is waited for: the failure is raised.
    """

    def __init__(
        self,
        what: str,
        seconds: float = 0.0,
        on_wait: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.what, self.seconds = what, seconds
        self._tell = on_wait or (lambda sentence: None)
        self._stop = stop or threading.Event()
        self._since: float | None = None
        self._lock = threading.Lock()

    def until_done(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns; raise what is no outage, or lasts too long."""
        deadline, pause = None, FIRST_PAUSE
        while True:
            try:
                done = call()
            except Exception as error:
                now = time.monotonic()
                deadline = now + self.seconds if deadline is None else deadline
                if now >= deadline or self._stop.is_set() or not is_outage(error):
                    raise
                self._told_waiting(error)
                # By chance a little less, so that many workers do not come back all at once.
                self._stop.wait(min(pause * random.uniform(0.7, 1.0), deadline - now))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._told_going_on()
                return done

    def _told_waiting(self, error: Exception) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                reason = f"is out of reach ({reason_of(error)})"
                self._tell(f"{self.what} {reason}: waiting for it up to {self.seconds:g} s.")

    def _told_going_on(self) -> None:
        with self._lock:
            if self._since is not None:
                away, self._since = time.monotonic() - self._since, None
                self._tell(f"{self.what} answers again after {away:.0f} s: going on.")


def _patient(name: str) -> Callable[..., Any]:
    # Nothing but names is copied: the original is marked as abstract.
    @functools.wraps(getattr(BaseStorage, name), updated=())
    def call(self: "PatientStorage", *args: Any, **kwargs: Any) -> Any:
        return self.patience.until_done(lambda: getattr(self.inner, name)(*args, **kwargs))

    return call


def _every_call_patient(kind: type[BaseStorage]) -> type[BaseStorage]:
    """Give the class each public method of `BaseStorage` that it has not itself."""
    for name, _ in inspect.getmembers(BaseStorage, inspect.isfunction):
        if not name.startswith("_") and name not in vars(kind):
            setattr(kind, name, _patient(name))
    return abc.update_abstractmethods(kind)


@_every_call_patient
class PatientStorage(BaseStorage):
    """A storage whose every call is repeated through outages.

    A call may have been carried out though its answer was lost. What its repetition then does:

    - reading, and setting an attribute, a parameter or an intermediate value: the same again.
    - ``create_new_trial``: makes a second trial. Of two trials for one cell the store drops the
      later one before it starts; one without a cell has no worker and is released like that of a
      dead one.
    - ``set_trial_state_values`` to RUNNING: returns ``False``, as if another worker had been
      faster. Nobody works on the trial then, and the store releases it as one whose claimer died
      before it signed.
    - ``set_trial_state_values`` to a finished state: is done, when the trial has that state and
      these values; else `UpdateFinishedTrialError`, since somebody else finished it meanwhile.
    - ``create_new_study``: `DuplicatedStudyError`, as if another command had been faster.
    - ``delete_study``: `KeyError`. Nothing here deletes studies.
    """

    def __init__(self, inner: BaseStorage, patience: Patience) -> None:
        self.inner, self.patience = inner, patience

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Do as `BaseStorage` says; a repetition that finds the work done is a success."""
        tries = 0

        def attempt() -> bool:
            nonlocal tries
            tries += 1
            try:
                return self.inner.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if tries > 1 and self._is_so(trial_id, state, values):
                    return True
                raise

        return self.patience.until_done(attempt)

    def _is_so(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> bool:
        trial = self.inner.get_trial(trial_id)
        return trial.state == state and (values is None or list(trial.values or []) == list(values))


def patient(storage: BaseStorage, patience: Patience) -> BaseStorage:
    """Return the storage with that patience; without any, the storage itself."""
    made: Callable[[BaseStorage, Patience], BaseStorage] = PatientStorage
    return made(storage, patience) if patience.seconds > 0 else storage
