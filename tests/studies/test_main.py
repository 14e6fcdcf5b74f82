"""The command line itself: what ends a command is told in one sentence."""

import errno
import os
from pathlib import Path

import pytest

from tests.studies.conftest import Refused, arguments


def test_tells_of_a_full_disk(
    text_file: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "disk is full" in refused(*arguments(text_file, tmp_path))
