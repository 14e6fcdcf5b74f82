"""How much memory a benchmark may take."""

from __future__ import annotations

import os
from pathlib import Path


def available() -> float:
    """Bytes which can be taken without swapping: Linux's own estimate, else half of what is built in."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 0.9 * 1024 * int(line.split()[1])
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def resident(highest: bool = False) -> int:
    """Bytes of this process which are resident, or the most that were since :func:`forget_highest` (Linux only)."""
    field = "VmHWM:" if highest else "VmRSS:"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {field} here; leave out --resident.")


def forget_highest() -> None:
    """Start the highest resident size anew."""
    Path("/proc/self/clear_refs").write_text("5")
