"""The journal file: made to survive `kill -9`, a full disk, and whatever befalls a file."""

import json
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from studies.errors import InputError
from studies.execution.journal_records import FOLLOWS, Made, begins_like_a_record, record_of
from studies.execution.patience import StorageLost

WAY_OUT = "restore it from a copy, or give another directory with --out; the file was left as it is"
_BLOCK = 1 << 20
_SECOND_LOOKS = (0.05, 0.2)


class JournalDamaged(StorageLost, InputError):  # noqa: N818 - the journal is, this program is not
    """The journal is not what its writers left; the message is a sentence of its own."""


class TornProofJournal(BaseJournalBackend):
    """Append records whole or not at all, and give none that was not written so.

    Optuna's own backend leaves half a record when its writer is killed or the disk is full, and
    the next record, glued to that half, makes the file unreadable for good. Here a writer first
    cuts off an unfinished or unreadable last line, which under the lock can only be a dead
    writer's, and takes its own back when it cannot be written. Any other damage raises
    `JournalDamaged` and leaves the file alone. Each record holds the checksum of the line before
    it, so that no line is changed, removed or moved unnoticed.
    The lock is the operating system's (`flock` or its equal): it goes with its holder, where
    Optuna's link file makes everybody wait 30 s after a kill.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._lock = FileLock(f"{self._path}.lock")
        self._begin()

    def _begin(self) -> None:
        self._number = self._end = self._last_length = self._checksum = self._given = 0
        self._checked: deque[dict[str, Any]] = deque()
        self._made = Made()
        self.drops_last_line = False

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the records from that number on; raise `JournalDamaged` at the first damage."""
        if log_number_from < self._given:
            self._begin()
        while self._checked or self._read_on():
            record = self._checked.popleft()
            self._given += 1
            if self._given > log_number_from:
                yield record

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append the records and flush them to the disk, or raise and change nothing."""
        with self._lock:
            while self._read_on():
                pass
            # A file that was there and is gone must not begin anew in its middle.
            flags = os.O_RDWR | (0 if self._end else os.O_CREAT)
            descriptor = os.open(self._path, flags, 0o666)
            try:
                self._append(descriptor, logs)
            finally:
                os.close(descriptor)

    def _append(self, descriptor: int, logs: Sequence[dict[str, Any]]) -> None:
        lines, checksum = b"", self._checksum
        for log in logs:
            line = json.dumps({**log, FOLLOWS: checksum}, separators=(",", ":")).encode() + b"\n"
            # What a reader would refuse is refused by its writer.
            if (record := record_of(line)) is None:
                raise ValueError(f"a journal cannot hold {line[:200]!r}")
            if (named := self._made.missing(record)) is not None:
                raise KeyError(f"there is no such thing: {named}")
            lines, checksum = lines + line, crc32(line)
        if os.fstat(descriptor).st_size > self._end:
            os.ftruncate(descriptor, self._end)
        try:
            written = 0
            while written < len(lines):
                written += os.pwrite(descriptor, lines[written:], self._end + written)
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, self._end)
            raise

    def _read_on(self) -> bool:
        """Check some more lines and return whether there were any."""
        for pause in _SECOND_LOOKS:
            try:
                return self._read_block()
            except JournalDamaged:
                # Perhaps it is only that a writer replaces just now what a dead one left.
                time.sleep(pause)
        return self._read_block()

    def _read_block(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            if self._end:
                raise self._damaged("was removed while it was in use") from None
            return False
        try:
            size, before = os.fstat(descriptor).st_size, self._number
            if size < self._end:
                raise self._damaged(f"was cut from {self._end} to {size} bytes while it was in use")
            last = os.pread(descriptor, self._last_length, self._end - self._last_length)
            if self._last_length and crc32(last) != self._checksum:
                raise self._damaged("was overwritten while it was in use")
            if size > self._end:
                self._take_block(descriptor)
            return self._number > before
        finally:
            os.close(descriptor)

    def _take_block(self, descriptor: int) -> None:
        """Check the lines of the next block, which holds one at least where there is one."""
        self.drops_last_line = False
        block = os.pread(descriptor, _BLOCK, self._end)
        while b"\n" not in block and (more := os.pread(descriptor, len(block), self._end + len(block))):
            block += more
        for line in BytesIO(block):
            if not line.endswith(b"\n"):
                break
            record = record_of(line)
            if record is None:
                after = _rest(descriptor, self._end + len(line))
                if self._number == 0 or b"\n" in after:
                    raise self._damaged(f"is damaged in line {self._number + 1}")
                self.drops_last_line = True
                return
            self._take(line, record)
        if self._number == 0 and not begins_like_a_record(block):
            raise self._damaged("holds no complete record")

    def _take(self, line: bytes, record: dict[str, Any]) -> None:
        number = self._number + 1
        if record.get(FOLLOWS, self._checksum) != self._checksum:
            between = f"line {number} was not written after the line before it"
            raise self._damaged(f"was changed: {between}")
        if (named := self._made.missing(record)) is not None:
            names = f"line {number}, which names {named} that no line made"
            raise self._damaged(f"is damaged before {names}")
        self._made.take(record)
        self._checked.append(record)
        self._number, self._end = number, self._end + len(line)
        self._last_length, self._checksum = len(line), crc32(line)

    def _damaged(self, what: str) -> JournalDamaged:
        return JournalDamaged(f"The journal {self._path} {what}: {WAY_OUT}.")


def _rest(descriptor: int, start: int) -> bytes:
    blocks = []
    while block := os.pread(descriptor, _BLOCK, start):
        blocks.append(block)
        start += len(block)
    return b"".join(blocks)


def open_journal(path: Path) -> JournalStorage:
    """Return the storage in a journal file, which is made with the first record.

    An unfinished last line is fine, a dead writer may leave one; an unreadable last line is told
    on stderr and will be cut off by the next writer, so that its trial runs again. Raises
    `InputError` for every other damage, and writes nothing.
    """
    journal = TornProofJournal(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls its journal experimental
            storage = JournalStorage(journal)
    except OSError as error:
        raise InputError(f"The journal {path} cannot be read ({error.strerror}): {WAY_OUT}.") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        # What no check of single records found, and Optuna's replay stumbles over.
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"The journal {path} cannot be replayed ({reason}): {WAY_OUT}.") from error
    if journal.drops_last_line:
        what = f"The last line of the journal {path} is damaged and dropped"
        print(f"{what}: its trial runs again.", file=sys.stderr)
    return storage


def check_journal(path: Path) -> None:
    """Refuse a file that is not a journal, as `open_journal` does."""
    open_journal(path)
