"""Who runs a trial: processes named so that a later one with the same number is not mistaken for it."""

import os
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Worker:
    """A process by machine, number and start time; ``str`` gives ``host:pid:started``."""

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> "Worker":
        """Return this process."""
        return cls(_host(), os.getpid(), _started(os.getpid()) or "unknown")

    @classmethod
    def parse(cls, name: str) -> "Worker":
        """Return the worker that ``str`` named."""
        host, pid, started = name.split(":", 2)
        return cls(host, int(pid), started)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}"

    @property
    def here(self) -> bool:
        """Whether the worker's numbers are this machine's, so that `alive` can tell."""
        return self.host == _host()

    @property
    def alive(self) -> bool:
        """Whether the process still runs on this machine."""
        return self.here and _started(self.pid) == self.started


@cache
def _host() -> str:
    """Return a name for the place where process numbers mean what they mean here.

    The host's name alone is not enough: containers may share it, and it survives a reboot.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').readlink().name[5:-1]}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """Return when a process started, in the system's own words, or ``None`` when there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            # The name in brackets may hold blanks; the start time is the 20th field after it, the state the 1st.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip() or None
