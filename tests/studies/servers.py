"""A PostgreSQL server and Optuna's gRPC proxy of the tests' own, on loopback ports; gone with their context."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def binaries() -> Path | None:
    """The directory of PostgreSQL's programs: Debian keeps them off the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def why_no_postgresql() -> str:
    if os.name != "posix" or binaries() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    return "" if find_spec("psycopg") else "psycopg is not installed (adaqn-lab[postgresql])"


def why_no_grpc() -> str:
    return "" if find_spec("grpc") and find_spec("google.protobuf") else "grpcio is not installed (adaqn-lab[grpc])"


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database, of a server without durability: nothing outlives the test."""
    if reason := why_no_postgresql():
        pytest.skip(reason)
    programs, port = binaries(), free_port()
    assert programs is not None
    # PostgreSQL refuses to run as root. Not tmp_path: its parents belong to root alone.
    user = None if os.geteuid() else ("postgres" if _is_user("postgres") else "nobody")
    home = Path(tempfile.mkdtemp(prefix="adaqn-postgresql-"))
    try:
        if user:
            shutil.chown(home, user)
        initdb = [programs / "initdb", "-D", home / "data", "-U", "studies", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(initdb, user=user, check=True, capture_output=True, cwd=home)
        settings = ["fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={home}"]
        options = [word for setting in settings for word in ("-c", setting)]
        server = subprocess.Popen(
            [programs / "postgres", "-D", home / "data", "-p", str(port), *options],
            user=user, cwd=home, stdout=subprocess.DEVNULL, stderr=(home / "log").open("wb"),
        )  # fmt: skip
        try:
            _await_server(programs, port, server, home / "log")
            yield f"postgresql://studies@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(20)
    finally:
        shutil.rmtree(home)


def _is_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _await_server(programs: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    asked = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(200):
        if subprocess.run(asked, check=False).returncode == 0:
            return
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    pytest.fail("PostgreSQL did not start: " + log.read_text())


@contextmanager
def grpc_proxy(url: str) -> Iterator[str]:
    """The URL of a proxy before the database, served by the command of this repository."""
    if reason := why_no_grpc():
        pytest.skip(reason)
    port = free_port()
    given = ["--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "studies", "proxy", *given],
        stdout=subprocess.PIPE, env={**os.environ, "STUDIES_STORAGE": url},
    )  # fmt: skip
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(b"Serving ")
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate(timeout=20)
