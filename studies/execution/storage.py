"""Where a study is kept: a journal file, PostgreSQL, or Optuna's gRPC proxy before PostgreSQL."""

import importlib
import logging
import os
import random
import re
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage
from optuna.study import StudyDirection

from adaqn_lab.extras import install
from studies.errors import InputError
from studies.execution.journal import open_journal
from studies.execution.patience import Patience, patient, reason_of, storage_failures
from studies.execution.secrets import masked, remember
from studies.program import program

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study._frozen import FrozenStudy

JOURNAL = "journal.log"
VARIABLE = "STUDIES_STORAGE"
"""The environment variable read where ``--storage`` is not given: it does not show among processes."""
OUR_ATTRIBUTES = {"configuration", "provenance"}
"""One of these attributes a study of ours has, as soon as it is made."""
CONNECT_SECONDS = 10
RACE_SECONDS = 20.0
"""So long a storage tries to make its tables while others make the same."""
KINDS = "a directory for a journal file, postgresql://user:password@host/database, or grpc://host:port"
_TOLD_BY_LIBPQ = {
    "connect_timeout": CONNECT_SECONDS,
    # A network that swallows everything must look like one that is away.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def is_directory(where: str) -> bool:
    """Return whether a storage is named by a directory, not by a URL or a driver's ``host=... dbname=...``."""
    if "://" in where:
        return False
    connection = re.search(r"(?:^|\s)(host|hostaddr|port|dbname|user|password|service)\s*=", where)
    return not connection or os.path.isdir(where)


def open_storage(
    where: str,
    patience: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> "BaseStorage":
    """Return Optuna's storage: in a directory, at ``postgresql://...`` or at ``grpc://host:port``.

    A server that is away, now or later, is waited for ``patience`` seconds, and ``on_wait`` is told
    so, unless ``stop`` is set. Raises `InputError` for anything else, for a missing driver and for a
    server that does not answer in that time.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in ("sqlalchemy", "grpc"):
        # What goes wrong is told in a sentence; without a handler they print tracebacks of their own.
        if not (logger := logging.getLogger(name)).handlers:
            logger.addHandler(logging.NullHandler())
    scheme = where.partition("://")[0] if "://" in where else ""
    waiting = Patience(masked(where), patience, on_wait, stop)
    if is_directory(where):
        return open_journal(Path(where) / JOURNAL)
    if scheme == "grpc":
        return _proxy(where, waiting)
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return _postgresql(where, waiting)
    reason = "is no storage known here"
    if scheme.startswith("sqlite"):
        reason = "lets two workers claim the same trial, since SQLite cannot lock a row"
    raise InputError(f"--storage {masked(where)} {reason}: give {KINDS}.")


def _postgresql(url: str, patience: Patience) -> "BaseStorage":
    if url.count("@") > 1:
        raise InputError(
            f"--storage {masked(url)} holds more than one @, so that its host cannot be told: write %40 for each "
            "one that is part of a name or a password."
        )
    remember(url)
    try:
        found = patience.until_done(lambda: _with_tables(url))
    except ImportError as error:
        raise InputError(
            f"PostgreSQL needs a driver that is not installed ({error}): {install('postgresql')}."
        ) from error
    except _unusable() as error:
        raise InputError(
            f"{masked(url)} cannot be used ({reason_of(error)}): see to the server, or give another one with --storage."
        ) from error
    return patient(found, patience)


def _unusable() -> tuple[type[Exception], ...]:
    """Return what may come of an address that is wrong in any way."""
    return ValueError, TypeError, RuntimeError, AssertionError, OSError, *storage_failures()


def _with_tables(url: str) -> "BaseStorage":
    """Return the database's storage; its tables are made, perhaps by others at the same moment."""
    from optuna.storages import RDBStorage, get_storage

    # Without a driver's name, which driver is meant depends on SQLAlchemy's version. Optuna formats the URL.
    named = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url).replace("{", "{{").replace("}", "}}")
    told = {key: value for key, value in _TOLD_BY_LIBPQ.items() if f"{key}=" not in url}
    options = {"pool_pre_ping": True, "connect_args": told}
    deadline = time.monotonic() + RACE_SECONDS
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return get_storage(RDBStorage(named, engine_kwargs=dict(options)))
        except Exception as error:
            if not _is_race(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.05, 0.5))


def _is_race(error: Exception) -> bool:
    if isinstance(error, StorageInternalError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    made_meanwhile = ("23505", "42P07", "42710", "XX000")  # a row, a table, a type; a row of the catalogue
    return isinstance(error, AssertionError) or getattr(getattr(error, "orig", None), "sqlstate", "") in made_meanwhile


def _proxy(url: str, patience: Patience) -> "BaseStorage":
    from optuna.storages import GrpcStorageProxy

    host, port = _address(url)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            proxy = GrpcStorageProxy(host=host, port=port)
        patience.until_done(lambda: proxy.wait_server_ready(timeout=CONNECT_SECONDS))
        _reconnect_soon(proxy, f"{host}:{port}")
    except ImportError as error:
        raise InputError(
            f"The gRPC proxy needs packages that are not installed ({reason_of(error)}): {install('grpc')}."
        ) from error
    except _unusable() as error:
        raise InputError(
            f"No gRPC proxy answers at {host}:{port} within {max(CONNECT_SECONDS, patience.seconds):g} s: start one "
            f"with {program()} proxy, or give another one with --storage."
        ) from error
    return patient(proxy, patience)


def _reconnect_soon(proxy: Any, address: str) -> None:
    """Replace the channel: by itself gRPC waits up to two minutes before it connects again."""
    options = {"max_receive_message_length": -1, "max_send_message_length": -1, "max_reconnect_backoff_ms": 3000}
    grpc: Any = importlib.import_module("grpc")
    proxy.close()
    proxy._channel = grpc.insecure_channel(
        address, options=[(f"grpc.{name}", value) for name, value in options.items()]
    )
    proxy._stub = type(proxy._stub)(proxy._channel)
    proxy._cache = type(proxy._cache)(proxy._stub)


def _address(url: str) -> tuple[str, int]:
    """Return host and port of a proxy's URL, the host with the brackets of an IPv6 address."""
    wrong = "names no host and port"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if "@" in url:
            wrong = "names a user, whom the proxy does not ask for"
        elif parts.path.strip("/") or parts.query or parts.fragment:
            wrong = "goes on after the port"
        elif host and port and not re.search(r"\s", url):
            return f"[{host}]" if ":" in host else host, port
    except ValueError:
        pass
    raise InputError(f"--storage {masked(url)} {wrong}: write grpc://host:13000, or grpc://[address]:13000 for IPv6.")


def foreign(storage: "BaseStorage", study_name: str) -> str | None:
    """Return why the study of that name, or a journal's every study, is another program's, or ``None``.

    To be asked before anything is written. A study without attributes and trials may be one of
    ours that is being made just now.
    """
    studies = storage.get_all_studies()
    for study in studies:
        if study.study_name == study_name:
            strange = _is_strange(storage, study)
            return f"its study {study_name} was made by another program" if strange else None
    if isinstance(storage, JournalStorage) and studies and all(_is_strange(storage, study) for study in studies):
        names = ", ".join(study.study_name for study in studies[:3]) + (", ..." if len(studies) > 3 else "")
        return f"what it holds was made by another program: {names}"
    return None


def _is_strange(storage: "BaseStorage", study: "FrozenStudy") -> bool:
    if not study.user_attrs.keys().isdisjoint(OUR_ATTRIBUTES):
        return False
    trials = storage.get_all_trials(study._study_id, deepcopy=False)
    if any("cell" in trial.user_attrs for trial in trials):
        return False
    return bool(trials or study.user_attrs) or StudyDirection.MAXIMIZE in study.directions


def given_storage(option: str | None) -> str | None:
    """Return ``--storage``, or the environment's, or ``None``."""
    return option or os.environ.get(VARIABLE) or None


def storage_for(out: Path, option: str | None) -> str | None:
    """Return the storage of a study in the directory ``out``; ``None`` for its journal.

    Raises `InputError` when the environment's storage hides a journal there: all of it would train once more.
    """
    storage = given_storage(option)
    if storage is not None and not option and os.path.exists(out / JOURNAL):
        raise InputError(
            f"{out} holds a study in its {JOURNAL}, but {VARIABLE} names another storage: unset it to go on with that "
            "study, or give --storage, or another directory with --out."
        )
    return storage
