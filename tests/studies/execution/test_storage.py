"""Storages: what is refused, that no password shows, and that many may open an empty database at once."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from studies.__main__ import main
from studies.errors import InputError
from studies.execution.patience import reason_of
from studies.execution.storage import foreign, given_storage, open_storage
from tests.studies.servers import Server, free_port, grpc_proxy, postgresql_server, why_no_grpc

if TYPE_CHECKING:  # Windows has not the first; the other loads torch, which the processes here do without
    from multiprocessing.context import ForkServerContext

    from tests.studies.conftest import Refused

PROCESSES, ROUNDS = 5, 3


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as running:
        yield running


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///x.db", "two workers claim the same trial"),
        ("mysql://a:secret@b/c", "no storage known"),
        ("redis://:secret@b", "no storage known"),
        ("host=db user=anna password=secret dbname=studies", "no storage known"),
        ("password='sec ret' host=db", "no storage known"),
        ("grpc://somewhere", "no host and port"),
        ("grpc://", "no host and port"),
        ("grpc://:x", "no host and port"),
        ("grpc://:13000", "no host and port"),
        ("grpc://a:0", "no host and port"),
        ("grpc://a:99999", "no host and port"),
        ("grpc://a:-1", "no host and port"),
        ("grpc://a:secret", "no host and port"),
        ("grpc://a b:1", "no host and port"),
        ("grpc://[::1]", "no host and port"),
        ("grpc://[::1:13000", "no host and port"),
        ("grpc://::1:13000", "no host and port"),
        ("grpc://anna:secret@a:1", "names a user"),
        ("grpc://anna@a:1", "names a user"),
        ("grpc://a:1/studies", "goes on after the port"),
        ("grpc://a:1?password=secret", "goes on after the port"),
        ("postgresql://anna:sec@ret@b/c", "more than one @"),
        ("postgresql://anna:secret@b/c?options=@", "more than one @"),
        ("postgresql://anna:secret", "cannot be used"),
        ("postgresql://anna:secret@127.0.0.1:port/x", "cannot be used"),
        ("postgresql://anna:secret@127.0.0.1:99999/x", "cannot be used"),
        ("postgresql://anna:secret@127.0.0.1:1/x?foo=bar", "cannot be used"),
        ("postgresql://anna:{secret}@127.0.0.1:1/x", "cannot be used"),
        ("postgresql://127.0.0.1:1/x?password=secret", "cannot be used"),
        ("postgresql+nodriver://anna:secret@b/c", "cannot be used"),
        ("postgresql+psycopg2cffi://anna:secret@b/c", ""),
    ],
)
def test_refuses_what_would_not_do(url: str, reason: str, refused: "Refused") -> None:
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    told = refused("worker", "--storage", url, "--patience", "0")
    assert reason in told
    assert "sec" not in told.replace("within 10 s", "")
    assert "ret" not in told.replace("interpret", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_refuses_a_port_where_nobody_answers(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := why_no_grpc():
        pytest.skip(reason)
    monkeypatch.setattr("studies.execution.storage.CONNECT_SECONDS", 0.3)
    with pytest.raises(InputError, match="No gRPC proxy answers") as refusal:
        open_storage(f"grpc://{host}:{free_port()}")
    assert f"at {host}:" in str(refusal.value)


def test_refuses_a_database_out_of_reach_and_keeps_its_password(refused: "Refused") -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as closed:  # bound and not listening: the connection is refused at once
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://anna:secret@127.0.0.1:{closed.getsockname()[1]}/x"
        told = refused("worker", "--storage", url, "--patience", "0")
    assert "cannot be used" in told
    assert "secret" not in told
    assert "anna:***@" in told


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["worker"], "STUDIES_STORAGE"),
        (["worker", "--storage", "absent", "--patience", "0"], "holds no study"),
        (["worker", "--storage", "x", "--workers", "0"], "--workers 0"),
        (["proxy"], "PostgreSQL only"),
        (["proxy", "--storage", "runs/here"], "PostgreSQL only"),
        (["ablate", "--workers", "0"], "--workers 0"),
    ],
)
def test_commands_refuse_in_a_sentence(
    given: list[str], reason: str, refused: "Refused", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STUDIES_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "absent").mkdir()
    assert reason in refused(*given)


def test_the_environment_stands_in_for_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIES_STORAGE", "grpc://a:1")
    assert given_storage(None) == "grpc://a:1"
    assert given_storage("grpc://b:2") == "grpc://b:2"
    monkeypatch.setenv("STUDIES_STORAGE", "")
    assert given_storage(None) is None


def test_a_directory_may_have_any_name(tmp_path: Path) -> None:
    for name in ("user=anna", "host=a password=b", "a@b"):
        (tmp_path / name).mkdir()
        assert open_storage(str(tmp_path / name)).get_all_studies() == []


def test_what_a_driver_says_of_an_opened_url_shows_no_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(InputError):
        open_storage("postgresql://anna:hush%2Fhush@127.0.0.1:1/x?sslpassword=quite+hush")
    assert reason_of(ConnectionError("no anna with 'hush/hush' or hush%2Fhush, quite hush")) == (
        "no anna with *** or ***, ***"
    )


def _make(urls: list[str], together: Any, told: Any) -> None:
    """Make a study in each of the databases, everybody at the same moment."""
    for url in urls:
        together.wait(60)
        try:
            study = optuna.create_study(study_name="s", storage=open_storage(url), load_if_exists=True)
            told.put(f"made {study._study_id}")
        except BaseException as error:
            told.put(repr(error))


def test_many_may_begin_on_an_empty_database_at_once(server: Server, forks: "ForkServerContext") -> None:
    # In the first one they still load what they need, each at its own pace.
    urls = [server.database(f"round{number}") for number in range(ROUNDS + 1)]
    together, told = forks.Barrier(PROCESSES), forks.Queue()
    processes = [forks.Process(target=_make, args=(urls, together, told)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    assert [told.get(timeout=60) for _ in range(PROCESSES * len(urls))] == ["made 1"] * PROCESSES * len(urls)
    for process in processes:
        process.join(20)
    assert [len(open_storage(url).get_all_studies()) for url in urls] == [1] * len(urls)


@pytest.mark.parametrize("kind", ["postgresql", "grpc"])
def test_a_foreign_study_in_a_database(kind: str, server: Server) -> None:
    database = server.database(f"foreign_{kind}")
    if kind == "postgresql":
        _foreign(database)
    else:
        with grpc_proxy(database) as url:
            _foreign(url)


def _foreign(url: str) -> None:
    storage: Any = open_storage(url)
    assert foreign(storage, "theirs") is None
    theirs = optuna.create_study(study_name="theirs", storage=storage)
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    why = foreign(storage, "theirs")
    assert why is not None
    assert "another program" in why
    assert foreign(storage, "ours") is None  # a database is for many


def test_help_tells_of_both_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("worker", "proxy"):
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "STUDIES_STORAGE" in capsys.readouterr().out
