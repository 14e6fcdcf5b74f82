"""Where results come from: machine, versions, commit, command."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


@cache
def environment() -> dict[str, Any]:
    """Return versions, git commit (``None`` outside a checkout), device and torch threads of this process."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "adaqn-lab": version("adaqn-lab"),
        "optuna": version("optuna"),
        "commit": _commit(),
        "device": "cpu",
        "torch_threads": torch.get_num_threads(),
    }


def machine() -> dict[str, str]:
    """Return the operating system and the processor's name as far as the system tells it."""
    name = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = f"{named[0]} ({len(named)} logical cores)" if named else name
    return {"system": platform.platform(), "processor": name or platform.machine()}


def provenance(command: str, workers: int) -> dict[str, Any]:
    """Return what is stored once per study: machine, versions, the command and when it was first given."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"started": started, "command": command, "workers": workers, **machine(), **environment()}


def _commit() -> str | None:
    """Return the commit of the checkout that this file is part of, with ``+`` when files are changed."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("+" if changed.stdout else "")
