"""A large text is read and encoded behind a bar, a small one without a word."""

from pathlib import Path

import pytest

from studies.execution import reading
from studies.tasks import CharacterTask, load_text


def test_a_large_text_shows_how_far_it_is(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "LARGE", 1000)
    text = reading.read(text_file)
    told = capsys.readouterr().err
    assert "reading the text" in told
    assert "12.0k" in told
    assert text == load_text(text_file)
    CharacterTask(text)
    assert "encoding it" in capsys.readouterr().err


def test_a_small_text_shows_nothing(text_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CharacterTask(reading.read(text_file))
    assert capsys.readouterr().err == ""
