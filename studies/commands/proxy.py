"""The command ``proxy``: put a database behind one port."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from studies.errors import InputError
from studies.execution.secrets import masked

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

THREADS = 10
GRACE_SECONDS = 2.0
"""Calls under way have this long to end when the proxy is told to."""


@dataclass(frozen=True, kw_only=True)
class ProxyCommand:
    """Serve a PostgreSQL storage through Optuna's gRPC proxy.

    Workers then need no database driver and no password. Whoever reaches the port may read and
    write every study: bind it to a network of your own. Ctrl-C or SIGTERM ends it.
    """

    storage: str | None = None
    """postgresql://user:password@host/database; the environment variable STUDIES_STORAGE without it."""
    host: str = "localhost"
    """Name or address to listen on; 0.0.0.0 for all."""
    port: int = 13000
    """Port to listen on."""
    patience: float = 300.0
    """Seconds to wait for the database where it is away, at the start and later."""


def proxy(options: ProxyCommand) -> int:
    """Serve until Ctrl-C or SIGTERM and return 0."""
    from studies.execution.storage import given_storage, open_storage

    where = given_storage(options.storage)
    if where is None or not where.startswith("postgres"):
        given = "nothing" if where is None else masked(where)
        raise InputError(
            f"The proxy serves PostgreSQL only and was given {given}: Optuna's proxy does not support "
            "journal files; give postgresql://... with --storage."
        )
    _check_address(options.host, options.port)
    stop, server = threading.Event(), None
    pool = ThreadPoolExecutor(THREADS)
    with _ended_by_signals():
        try:
            storage = open_storage(where, options.patience, _say, stop)
            server = _listening(storage, options, pool)
            print(f"Serving {masked(where)} at grpc://{_address(options)}", flush=True)
            server.wait_for_termination()
        except KeyboardInterrupt:
            pass
        stop.set()
        _end(server, pool)
    return 0


def _check_address(host: str, port: int) -> None:
    """Refuse what cannot be listened on; gRPC would take another port, or share one with another server."""
    if not 1 <= port <= 65535:
        raise InputError(f"--port {port} is none: give a number from 1 to 65535.")
    way_out = "give a name or an address of this machine with --host, or 0.0.0.0 for all"
    try:
        if not host:
            raise ValueError("it is empty")
        found = socket.getaddrinfo(_bare(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--host {host} is no address ({reason}): {way_out}.") from error
    failures = [failure for family, *_, address in found if (failure := _why_not(family, address))]
    for failure in failures:
        if failure.errno == errno.EADDRINUSE:
            raise InputError(f"--port {port} is in use on {host}: end what listens there, or give another one.")
    if len(failures) == len(found):
        reason = failures[0].strerror
        raise InputError(f"--host {host} with --port {port} cannot be listened on ({reason}): {way_out}.")


def _why_not(family: int, address: Any) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not count
            probe.bind(address)
    except OSError as error:
        return error
    return None


def _address(options: ProxyCommand) -> str:
    host = _bare(options.host)
    return f"[{host}]:{options.port}" if ":" in host else f"{host}:{options.port}"


def _bare(host: str) -> str:
    """Return an IPv6 address without its brackets, and anything else as it is."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _listening(storage: BaseStorage, options: ProxyCommand, pool: ThreadPoolExecutor) -> Any:
    """Return Optuna's server, listening; not by its own function, which shares the port and tells no end."""
    try:
        grpc: Any = importlib.import_module("grpc")
        servicer: Any = importlib.import_module("optuna.storages._grpc.servicer")
        generated: Any = importlib.import_module("optuna.storages._grpc.auto_generated.api_pb2_grpc")
    except ImportError as error:
        from adaqn_lab.extras import install

        raise InputError(f"The gRPC proxy needs grpcio and protobuf: {install('grpc')}.") from error
    settings = {"so_reuseport": 0, "max_receive_message_length": -1, "max_send_message_length": -1}
    server = grpc.server(pool, options=[(f"grpc.{name}", value) for name, value in settings.items()])
    generated.add_StorageServiceServicer_to_server(servicer.OptunaStorageProxyService(storage), server)
    try:
        port = server.add_insecure_port(_address(options))
    except RuntimeError:
        port = 0
    if port != options.port:
        raise InputError(
            f"--port {options.port} of {options.host} cannot be listened on: end what listens there, or give another."
        )
    server.start()
    return server


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the first SIGINT or SIGTERM, and pass over the others."""

    def end(number: int, frame: FrameType | None) -> None:
        for name in names:
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(name, end) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


def _end(server: Any, pool: ThreadPoolExecutor) -> None:
    """Let the calls under way end, and do not wait for one that hangs in the database."""
    if server is not None:
        server.stop(GRACE_SECONDS).wait(GRACE_SECONDS)
    threads = threading.Thread(target=pool.shutdown, daemon=True)
    threads.start()
    threads.join(GRACE_SECONDS)
    if threads.is_alive():
        sys.stdout.flush()
        os._exit(0)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
