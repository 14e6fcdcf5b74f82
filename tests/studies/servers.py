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


class Server:
    """A PostgreSQL server without durability against a crash of the machine, which can be stopped and started."""

    def __init__(self, home: Path) -> None:
        programs = binaries()
        assert programs is not None
        self._programs, self._home, self._port = programs, home, free_port()
        # PostgreSQL refuses to run as root.
        self._user = None if os.geteuid() else ("postgres" if _is_user("postgres") else "nobody")
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(home, self._user)
        initdb = [programs / "initdb", "-D", home / "data", "-U", "studies", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(initdb, user=self._user, check=True, capture_output=True, cwd=home)

    @property
    def url(self) -> str:
        return f"postgresql://studies@127.0.0.1:{self._port}/postgres"

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        made = [self._programs / "createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "studies", name]
        subprocess.run(made, check=True, capture_output=True)
        return self.url.replace("/postgres", f"/{name}")

    def start(self) -> None:
        settings = ["fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._home}"]
        options = [word for setting in settings for word in ("-c", setting)]
        log = self._home / "log"
        with log.open("ab") as told:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._home / "data", "-p", str(self._port), *options],
                user=self._user, cwd=self._home, stdout=subprocess.DEVNULL, stderr=told,
            )  # fmt: skip
        asked = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        for _ in range(200):
            if subprocess.run(asked, check=False).returncode == 0:
                return
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.1)
        pytest.fail("PostgreSQL did not start: " + log.read_text())

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it, by default at once as in a crash; SIGINT ends the connections in good order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it answer nothing, and refuse nothing either, as behind a network that swallows all."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        everyone = [self._process.pid, *map(int, children)]
        for process in everyone:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in everyone:
                os.kill(process, signal.SIGCONT)


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """A running server with an empty database."""
    if reason := why_no_postgresql():
        pytest.skip(reason)
    # Not tmp_path: its parents belong to root alone.
    home = Path(tempfile.mkdtemp(prefix="adaqn-postgresql-"))
    try:
        server = Server(home)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database."""
    with postgresql_server() as server:
        yield server.url


def _is_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


@contextmanager
def grpc_proxy(url: str, *more: str) -> Iterator[str]:
    """The URL of a proxy before the database, served by the command of this repository."""
    if reason := why_no_grpc():
        pytest.skip(reason)
    port = free_port()
    given = ["--host", "127.0.0.1", "--port", str(port), *more]
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
