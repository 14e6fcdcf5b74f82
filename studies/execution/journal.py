"""The journal file: Optuna's, made to survive `kill -9` and a full disk in the middle of a record."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from studies.errors import InputError


class TornProofJournal(JournalFileBackend):
    """Append records whole or not at all.

    Optuna's own backend leaves half a record when its writer is killed or the disk is full, and the next
    record, glued to that half, makes the file unreadable for good. Here a writer first cuts off an unfinished or
    unreadable last line, which under the lock can only be a dead writer's, and takes its own back when it cannot
    be written.
    The lock is the operating system's (`flock` or its equal): it goes with its holder, where Optuna's link
    file makes everybody wait 30 s after a kill.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path.resolve()))
        self._path = path.resolve()
        self._file_lock = FileLock(f"{self._path}.lock")

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append the records and flush them to the disk, or raise `OSError` and change nothing."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self._file_lock, self._path.open("r+b") as file:
            end = _cut_unfinished_line(file.fileno())
            file.seek(end)
            try:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), end)
                raise


def _cut_unfinished_line(descriptor: int) -> int:
    """Truncate the file after its last line that is whole and readable, and return its length."""
    size = os.fstat(descriptor).st_size
    end = _line_start(descriptor, size)
    if end > 0:
        # After a crash of the machine the last line may be whole in length and garbage in content.
        start = _line_start(descriptor, end - 1)
        if start > 0 and not _is_record(os.pread(descriptor, end - start, start)):
            end = start
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _line_start(descriptor: int, end: int, block: int = 65536) -> int:
    """Return where the line begins that holds the byte before ``end``, or ``end`` after a newline."""
    while end > 0:
        start = max(0, end - block)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _is_record(line: bytes) -> bool:
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def check_journal(path: Path) -> None:
    """Refuse a file that is not a journal.

    An unfinished last line is fine, a dead writer may leave one; an unreadable last line is told on stderr and
    will be cut off by the next writer, so that its trial runs again.
    """
    way_out = "restore it from a copy, or give another directory with --out; the file was left as it is"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"The journal {path} cannot be read ({error.strerror}): {way_out}.") from error
    lines = content.split(b"\n")[:-1]
    if content and not lines:
        raise InputError(f"The journal {path} holds no complete record: {way_out}.")
    damaged = [number for number, line in enumerate(lines, start=1) if not _is_record(line)]
    if damaged == [len(lines)] and len(lines) > 1:
        print(f"The last line of the journal {path} is damaged and dropped: its trial runs again.", file=sys.stderr)
    elif damaged:
        raise InputError(f"The journal {path} is damaged in line {damaged[0]}: {way_out}.")
