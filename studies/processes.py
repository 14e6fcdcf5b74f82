"""Who runs a trial: processes named so that a later one with the same number is not mistaken for it."""

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Worker:
    """A process by machine, number and start time; ``str`` gives ``host:pid:started``."""

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> "Worker":
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()) or "unknown")

    @classmethod
    def parse(cls, name: str) -> "Worker":
        """Return the worker that ``str`` named."""
        host, pid, started = name.split(":", 2)
        return cls(host, int(pid), started)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}"

    @property
    def alive(self) -> bool:
        """Whether the process still runs here.

        A worker of another machine counts as gone: a study's directory belongs to one command at a time (it
        holds a lock there) and workers end with the command, so that name is this machine's former one.
        """
        return self.host == socket.gethostname() and _started(self.pid) == self.started


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
