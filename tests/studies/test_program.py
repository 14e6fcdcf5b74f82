"""The name of the command line is what the user typed."""

import sys

import pytest

from studies.program import is_ours, program
from tests.studies.conftest import Refused


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/venv/bin/adaqn-studies", "adaqn-studies"), ("adaqn-studies.exe", "adaqn-studies"),
        ("/clone/studies/__main__.py", "python -m studies"), ("-c", "python -m studies"),
    ],
)  # fmt: skip
def test_name(started: str, name: str, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setattr(sys, "argv", [started, "ablate"])
    assert program() == name
    assert f": {name} ablate --help lists all." in refused("ablate", "--nonsense")
    assert is_ours(f"{name} ablate")


def test_foreign_commands() -> None:
    for command in ("adaqn-studies-evil x", "python -m studiesx", "curl x", ""):
        assert not is_ours(command)
