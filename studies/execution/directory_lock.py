"""One command at a time plans in a directory."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from studies.errors import InputError


@contextmanager
def directory_lock(out: Path) -> Iterator[None]:
    """Make the directory and hold its lock, so that one command at a time plans in it."""
    way_out = "give a directory that can be written with --out"
    lock = FileLock(out / "command.lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another command is at work in {out}: wait for its end, or give another directory with --out."
        ) from None
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{out} is or lies in a file, not a directory: {way_out}.") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(f"{out} cannot be written ({error.strerror}): {way_out}.") from error
    try:
        yield
    finally:
        lock.release()
