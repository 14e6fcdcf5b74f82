"""The kernels in C++, for the CPU: compile them, or open what was compiled."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

import torch

NAME = "adaqn_lab_kernels"
_SOURCE = Path(__file__).with_name("kernels.cpp")


def use(on: bool) -> None:
    """Take them for the CPU's tensors from now on, or leave them; ``RuntimeError`` where they cannot be had."""
    if not hasattr(torch.ops.adaqn_lab_kernels, "use_"):
        if not on:
            return
        _open()
    torch.ops.adaqn_lab_kernels.use_(on)


def _open() -> None:
    """Open the library; compile ``kernels.cpp`` first where no process of this machine has.

    One process compiles while the others wait, and the system takes this lock back from a process that dies. torch has
    a lock of its own, a file: whoever is killed while it compiles leaves it, and every later load would wait for ever.
    """
    from filelock import FileLock  # torch requires it
    from torch.utils import cpp_extension

    flags = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"]
    if torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        # Compiled, but not linked, with OpenMP: its symbols are those of torch's own runtime, and of its threads.
        flags += ["-fopenmp", "-DAT_PARALLEL_OPENMP=1"]
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root()
    folder = Path(root) / f"{NAME}_{_fingerprint(flags)}"
    library = folder / "kernels.so"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "compiling.lock"):
            if library.exists():
                torch.ops.load_library(library)  # type: ignore[no-untyped-call]
                return
            print("adaqn_lab: compiling the kernels, once on this machine; it takes 20 to 60 seconds.", file=sys.stderr)
            (folder / "lock").unlink(missing_ok=True)
            built = cpp_extension.load(
                NAME, [str(_SOURCE)], extra_cflags=flags, build_directory=str(folder), is_python_module=False
            )
            Path(built).replace(library)  # at once: what lies there is whole
    except Exception as error:
        from adaqn_lab.extras import install

        raise RuntimeError(
            f"The kernels could not be compiled ({_reason(error)}); install a C++ compiler and ninja "
            f"({install('kernels')}), or go on without load(): everything works in plain torch."
        ) from error


def _fingerprint(flags: list[str]) -> str:
    """What a compiled library depends on: its source, the flags, torch, Python and the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        processor = platform.processor()
    parts = (_SOURCE.read_text(), *flags, torch.__version__, platform.python_version(), platform.machine(), processor)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _reason(error: Exception) -> str:
    """The compiler's first error, else the first line: a build command is long and says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    found = next((line for line in lines if "error:" in line.lower() and " -I" not in line), lines[0])
    return found if len(found) <= 160 else found[:157] + "..."
