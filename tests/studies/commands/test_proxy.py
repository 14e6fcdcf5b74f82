"""The command proxy: what it refuses, where it listens, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import optuna
import pytest
from optuna.storages import BaseStorage

from studies.execution.patience import storage_failures
from studies.execution.storage import open_storage
from tests.studies.servers import Server, free_port, postgresql_server, why_no_grpc

if TYPE_CHECKING:
    from tests.studies.conftest import Refused

pytestmark = pytest.mark.skipif(bool(why_no_grpc()), reason=why_no_grpc())
NOTICE = "Getting ready"
AWAY = ["--storage", "postgresql://anna:secret@127.0.0.1:1/x", "--patience", "0"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as running:
        yield running


@contextmanager
def proxy(url: str, *given: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "studies", "proxy", *given],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "STUDIES_STORAGE": url},
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def first_line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline()


def end(started: subprocess.Popen[str], how: signal.Signals) -> tuple[int, str, str]:
    started.send_signal(how)
    out, err = started.communicate(timeout=20)
    return started.returncode, out, "".join(line for line in err.splitlines(keepends=True) if NOTICE not in line)


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999", "1000000000000"])
def test_refuses_what_is_no_port(port: str, refused: "Refused") -> None:
    told = refused("proxy", *AWAY, f"--port={port}")
    assert told == f"--port {port} is none: give a number from 1 to 65535.\n"


@pytest.mark.parametrize(
    "host",
    ["", "[]", "no-such.invalid", "a..b", "a b", "300.1.1.1", "192.0.2.1", "[::1", "2001:db8::1", "x\0", "x" * 300],
)
def test_refuses_what_is_no_address_of_this_machine(host: str, refused: "Refused") -> None:
    told = refused("proxy", *AWAY, "--host", host, "--port", str(free_port()))
    assert told.startswith("--host ")
    assert "give a name or an address of this machine" in told
    assert "secret" not in told


@pytest.mark.parametrize("listener", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_refuses_a_port_in_use(listener: str, host: str, refused: "Refused") -> None:
    family = socket.AF_INET6 if ":" in listener else socket.AF_INET
    try:
        taken = socket.create_server((listener, 0), family=family, reuse_port=True, dualstack_ipv6=listener == "::")
    except (OSError, ValueError):
        pytest.skip("no IPv6 here")
    with taken:
        port = str(taken.getsockname()[1])
        told = refused("proxy", *AWAY, "--host", host, "--port", port)
    assert told == f"--port {port} is in use on {host}: end what listens there, or give another one.\n"


def test_refuses_a_database_that_is_away(refused: "Refused") -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://anna:secret@127.0.0.1:{free_port()}/x"
    told = refused("proxy", "--storage", url, "--port", str(free_port()), "--patience", "0")
    assert "cannot be used" in told
    assert "secret" not in told


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "[::1]"])
def test_listens_where_it_says_so(host: str, server: Server) -> None:
    port = free_port()
    url = server.url.replace("studies@", "studies:hush-hush@") + "?application_name=a&password=hush"
    with proxy(url, "--host", host, "--port", str(port)) as started:
        told = first_line(started)
        if not told and ":" in host:
            pytest.skip("no IPv6 here")
        shown = f"[{host.strip('[]')}]" if ":" in host else host
        assert told.endswith(f" at grpc://{shown}:{port}\n")
        assert "hush" not in told
        address = told.split()[-1].replace("0.0.0.0", "127.0.0.1")
        storage = open_storage(address)  # at once: it listens before it says so
        assert isinstance(storage.get_all_studies(), list)
        assert end(started, signal.SIGTERM) == (0, "", "")


def test_a_second_one_is_refused_and_the_first_ends_quietly_by_ctrl_c(server: Server) -> None:
    port = free_port()
    with proxy(server.url, "--port", str(port), "--host", "127.0.0.1") as started:
        assert first_line(started)
        storage = open_storage(f"grpc://127.0.0.1:{port}")
        with proxy(server.url, "--port", str(port), "--host", "127.0.0.1") as second:
            out, err = second.communicate(timeout=30)
        assert (second.returncode, out) == (2, "")
        assert f"--port {port} is in use" in err
        assert storage.get_all_studies() is not None
        assert end(started, signal.SIGINT) == (0, "", "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ends_while_it_waits_for_the_database(how: signal.Signals) -> None:
    pytest.importorskip("psycopg")
    with proxy(f"postgresql://anna:secret@127.0.0.1:{free_port()}/x", "--port", str(free_port())) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if "out of reach" in line:
                break
        begin = time.monotonic()
        status, out, err = end(started, how)
        assert (status, out, err) == (0, "", "")
        assert "secret" not in line
        assert time.monotonic() - begin < 10


def _ask(storage: BaseStorage) -> None:
    with suppress(*storage_failures()):
        storage.get_all_studies()


def test_ends_while_a_call_hangs_in_the_database(server: Server) -> None:
    port = free_port()
    with proxy(server.url, "--port", str(port), "--host", "127.0.0.1") as started:
        assert first_line(started)
        storage = open_storage(f"grpc://127.0.0.1:{port}")
        with server.frozen():
            hanging = threading.Thread(target=_ask, args=(storage,))
            hanging.start()
            time.sleep(0.5)
            assert end(started, signal.SIGTERM) == (0, "", "")
        hanging.join(10)


def test_a_client_survives_a_proxy_that_is_started_again(server: Server) -> None:
    port = str(free_port())
    told: list[str] = []
    with proxy(server.url, "--port", port, "--host", "127.0.0.1") as started:
        assert first_line(started)
        storage = open_storage(f"grpc://127.0.0.1:{port}", 60.0, told.append)
        study = optuna.create_study(study_name="again", storage=storage)
        trial = study.ask()
    finished = threading.Thread(target=study.tell, args=(trial, 0.5))
    finished.start()
    time.sleep(2.0)
    assert finished.is_alive()
    with proxy(server.url, "--port", port, "--host", "127.0.0.1") as started:
        assert first_line(started)
        finished.join(30)
        assert not finished.is_alive()
        assert [trial.value for trial in study.get_trials()] == [0.5]
    assert len(told) == 2
