"""The journal survives torn records and full disks."""

import errno
import os
from pathlib import Path

import pytest

from studies.errors import InputError
from studies.execution.journal import TornProofJournal, check_journal


def test_cuts_off_what_a_killed_writer_left(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    journal = TornProofJournal(path)
    journal.append_logs([{"op_code": 0, "study_name": "a"}])
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "half a rec' + b"x" * 100_000)
    check_journal(path)
    journal.append_logs([{"op_code": 1}])
    assert [log["op_code"] for log in TornProofJournal(path).read_logs(0)] == [0, 1]
    check_journal(path)


def test_a_record_that_does_not_fit_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.log"
    journal = TornProofJournal(path)
    journal.append_logs([{"op_code": 0}])
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append_logs([{"op_code": 1}])
    assert path.read_bytes() == before
    journal.append_logs([{"op_code": 2}])
    assert [log["op_code"] for log in journal.read_logs(0)] == [0, 2]


@pytest.mark.parametrize("garbage", [b"\0" * 300, b"\0" * 300 + b"\n", b'{"op_code":4,"tri\xff\xfe\n', b"[]\n"])
def test_a_damaged_last_line_is_told_and_dropped(
    garbage: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal.log"
    TornProofJournal(path).append_logs([{"op_code": 0}, {"op_code": 1}])
    with path.open("ab") as file:
        file.write(garbage)
    check_journal(path)
    assert ("its trial runs again" in capsys.readouterr().err) == garbage.endswith(b"\n")
    journal = TornProofJournal(path)
    journal.append_logs([{"op_code": 2}])
    assert [log["op_code"] for log in journal.read_logs(0)] == [0, 1, 2]
    check_journal(path)


def test_refuses_damage_before_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b'{"op_code":0}\n{"op_co\n{"op_code":1}\n')
    with pytest.raises(InputError, match="line 2"):
        check_journal(path)
