"""Workers and coordinator on a real database, through an outage; all at once on an empty one: test_storage."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from studies.execution.store import Store
from tests.studies.conftest import arguments
from tests.studies.servers import Server, grpc_proxy, postgresql_server

STUDY = "small"
CELLS = 8
POLL_SECONDS = 0.5
"""Opening the storage costs a tenth of a second of the processor that the others work on."""
OUTAGE_SECONDS = 3.0
"""Long enough for every process to ask twice: patience begins with half a second."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as made:
        yield made


def start(url: str, *given: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "studies", *given],
        env={**os.environ, "STUDIES_STORAGE": url, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ablate(url: str, text_file: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    return start(url, *arguments(text_file, out, "--study", STUDY, *more))


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each said on stderr; all of them must have ended well."""
    try:
        told = [process.communicate(timeout=150)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), told
    return told


def each_once(url: str, out: Path) -> None:
    trials = Store(out, url, STUDY, create=False).snapshot().trials
    complete = [trial.user_attrs["cell"] for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(complete) == len(set(complete)) == CELLS


@pytest.mark.parametrize("proxy", [False, True], ids=["postgresql", "grpc"])
def test_an_outage_is_waited_for(server: Server, text_file: Path, tmp_path: Path, proxy: bool) -> None:
    url = server.database(f"outage_{'grpc' if proxy else 'direct'}")
    if proxy:
        with grpc_proxy(url) as through:
            _through_an_outage(server, through, text_file, tmp_path)
    else:
        _through_an_outage(server, url, text_file, tmp_path)
    each_once(url, tmp_path)


def _through_an_outage(server: Server, url: str, text_file: Path, tmp_path: Path) -> None:
    command = ablate(url, text_file, tmp_path / "study", "--steps", "60", "--patience", "90")
    deadline = time.monotonic() + 90
    while not _begun(url, tmp_path):
        assert command.poll() is None, command.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
    server.stop()
    time.sleep(OUTAGE_SECONDS)
    assert command.poll() is None, command.communicate()[1]
    server.start()
    (told,) = ended([command])
    if url.startswith("postgresql"):  # behind a proxy it is the proxy that waits, and says so
        assert "waiting" in told.lower() or "out of reach" in told


def _begun(url: str, out: Path) -> bool:
    try:
        snapshot = Store(out, url, STUDY, create=False).snapshot()
    except Exception:
        return False
    return bool(snapshot.having(TrialState.RUNNING))


def test_an_outage_longer_than_the_patience_ends_in_a_sentence(server: Server, text_file: Path, tmp_path: Path) -> None:
    url = server.database("long")
    command = ablate(url, text_file, tmp_path / "study", "--steps", "2000", "--patience", "1")
    while not _begun(url, tmp_path):
        assert command.poll() is None, command.communicate()[1]
        time.sleep(POLL_SECONDS)
    server.stop()
    try:
        _, told = command.communicate(timeout=60)
    finally:
        command.kill()
        server.start()
    assert command.returncode == 2
    assert "Traceback" not in told
    assert told.splitlines()[-1].endswith("all finished runs are kept.")


def test_a_worker_told_to_stop_during_an_outage_stops(server: Server, text_file: Path, tmp_path: Path) -> None:
    url = server.database("stopped")
    command = ablate(url, text_file, tmp_path / "study", "--steps", "2000", "--workers", "0")
    given = ["--study", STUDY, "--text", str(text_file), "--workers", "1", "--patience", "90"]
    worker = start(url, "worker", *given)
    try:
        while not _begun(url, tmp_path):
            assert worker.poll() is None, worker.communicate()[1]
            time.sleep(POLL_SECONDS)
        server.stop()
        time.sleep(1)
        worker.terminate()
        _, told = worker.communicate(timeout=45)
    finally:
        for process in (worker, command):
            process.kill()
            process.communicate()
        server.start()
    assert "Traceback" not in told
    assert worker.returncode in (2, 130)  # the run could not be handed back, or had ended before
