"""Where a study is kept: a journal file, PostgreSQL, or Optuna's gRPC proxy before PostgreSQL."""

import os
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage

from studies.errors import InputError
from studies.execution.journal import TornProofJournal, check_journal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "journal.log"
VARIABLE = "STUDIES_STORAGE"
"""The environment variable read where ``--storage`` is not given, so that a password need not show among processes."""
CONNECT_SECONDS = 10
KINDS = "a directory for a journal file, postgresql://user:password@host/database, or grpc://host:port"


class StorageLost(Exception):  # noqa: N818 - the storage is lost, the results are not
    """A worker found the storage out of reach; the message is its reason."""


def open_storage(where: str) -> "BaseStorage":
    """Return Optuna's storage at ``where``: a directory, ``postgresql://...`` or ``grpc://host:port``.

    Raises `InputError` for anything else, for a missing driver and for a server that does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    scheme = where.partition("://")[0] if "://" in where else ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its journal and its proxy experimental
        if scheme == "":
            path = Path(where) / JOURNAL
            check_journal(path)
            return JournalStorage(TornProofJournal(path))
        if scheme == "grpc":
            return _proxy(where)
        if scheme.partition("+")[0] in ("postgresql", "postgres"):
            return _postgresql(where)
    reason = f"is no storage known here: give {KINDS}"
    if scheme.startswith("sqlite"):
        reason = f"lets two workers claim the same trial, since SQLite cannot lock a row: give {KINDS}"
    raise InputError(f"--storage {without_password(where)} {reason}.")


def _postgresql(url: str) -> "BaseStorage":
    from optuna.storages import RDBStorage, get_storage

    # Without a driver's name, which driver is meant depends on SQLAlchemy's version.
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
    try:
        return get_storage(RDBStorage(url, engine_kwargs=options))
    except ImportError as error:
        raise InputError(
            f"PostgreSQL needs a driver that is not installed ({error}): install adaqn-lab[postgresql]."
        ) from error
    except storage_failures() as error:
        raise InputError(
            f"{without_password(url)} cannot be used ({reason_of(error)}): see to the server, or give "
            "another one with --storage."
        ) from error


def _proxy(url: str) -> "BaseStorage":
    from optuna.storages import GrpcStorageProxy

    host, port = _address(url)
    try:
        proxy = GrpcStorageProxy(host=host, port=port)
        proxy.wait_server_ready(timeout=CONNECT_SECONDS)
    except ImportError as error:
        raise InputError(
            f"The gRPC proxy needs packages that are not installed ({reason_of(error)}): install adaqn-lab[grpc]."
        ) from error
    except ConnectionError as error:
        raise InputError(
            f"No gRPC proxy answers at {host}:{port} within {CONNECT_SECONDS} s: start one with "
            "python -m studies proxy, or give another one with --storage."
        ) from error
    return proxy


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise InputError(f"--storage {url} names no host and port: write grpc://host:13000.")


def storage_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions by which a storage says that it is out of reach, as far as its packages are loaded."""
    found: list[type[Exception]] = [StorageInternalError, StorageLost]
    if "sqlalchemy" in sys.modules:
        found.append(sys.modules["sqlalchemy"].exc.SQLAlchemyError)
    if "grpc" in sys.modules:
        found.append(sys.modules["grpc"].RpcError)
    return tuple(found)


def reason_of(error: BaseException) -> str:
    """Return the first line of what a storage's exception says, without its SQL."""
    while isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    told = error.details() if hasattr(error, "details") and callable(error.details) else str(error)
    lines = [line.strip() for line in str(told).splitlines() if line.strip()]
    return without_password(lines[0] if lines else type(error).__name__).rstrip(".:")


def without_password(text: str) -> str:
    """Return ``text`` with ``***`` for the passwords of its URLs.

    >>> without_password("--storage postgresql://anna:secret@db/studies")
    '--storage postgresql://anna:***@db/studies'
    """
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)


def given_storage(option: str | None) -> str | None:
    """Return ``--storage``, or the environment's, or ``None``."""
    return option or os.environ.get(VARIABLE) or None
