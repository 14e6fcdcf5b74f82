"""Storages: what is refused, and that no password shows."""

import socket
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.errors import InputError
from studies.execution.storage import given_storage, open_storage, without_password
from tests.studies.conftest import Refused
from tests.studies.servers import free_port, why_no_grpc


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///x.db", "two workers claim the same trial"),
        ("mysql://a:secret@b/c", "no storage known"),
        ("grpc://somewhere", "no host and port"),
        ("grpc://:x", "no host and port"),
    ],
)
def test_refuses_storages_that_would_not_do(url: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refusal:
        open_storage(url)
    assert "secret" not in str(refusal.value)


def test_refuses_a_port_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := why_no_grpc():
        pytest.skip(reason)
    monkeypatch.setattr("studies.execution.storage.CONNECT_SECONDS", 0.3)
    with pytest.raises(InputError, match="No gRPC proxy answers"):
        open_storage(f"grpc://127.0.0.1:{free_port()}")


def test_refuses_a_database_out_of_reach_and_keeps_its_password(refused: Refused) -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as closed:  # bound and not listening: the connection is refused at once
        closed.bind(("127.0.0.1", 0))
        told = refused(
            "worker", "--storage", f"postgresql://anna:secret@127.0.0.1:{closed.getsockname()[1]}/x", "--patience", "0"
        )
    assert "out of reach" in told
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
    given: list[str], reason: str, refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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


def test_passwords_are_hidden_in_any_text() -> None:
    told = without_password("a postgresql+psycopg://u:p%40@h:5432/d b grpc://h:1 c postgresql://u@h/d")
    assert told == "a postgresql+psycopg://u:***@h:5432/d b grpc://h:1 c postgresql://u@h/d"


def test_help_tells_of_both_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("worker", "proxy"):
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "STUDIES_STORAGE" in capsys.readouterr().out
