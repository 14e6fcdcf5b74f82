"""Devices by the names that commands know, what they compute in, and the clock that waits for them."""

import os
import re
import resource
import sys
from collections.abc import Callable
from time import perf_counter

import torch

from adaqn_lab.graphs import CudaGraph, Work
from studies.errors import InputError

AUTO = "auto"
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable by which a process is given GPUs."""
_OVERRIDE = "NVIDIA_TF32_OVERRIDE"
_TF32_SINCE = (8, 0)


def device_named(name: str) -> torch.device:
    """Return the device: ``cpu``, ``cuda``, ``cuda:1``, or ``auto``, a GPU where there is one.

    `InputError` in a sentence for what is none, or not here.
    """
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"--device {name} is none of cpu, cuda, cuda:1 (the second GPU, and so on) and auto.")
    if device.type == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        why = "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no GPU and driver"
        raise InputError(f"--device {name} is not here, {why} (torch {torch.__version__}): take cpu, or auto.")
    if (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {name} is not here, the GPUs are cuda:0 to cuda:{torch.cuda.device_count() - 1}.")
    return device


def gpus(device: torch.device) -> list[str]:
    """Return what `VISIBLE` says of each GPU that workers shall have: all of them for ``cuda``; none for a CPU."""
    if device.type == "cpu":
        return []
    places = range(torch.cuda.device_count()) if device.index is None else [device.index]
    given = [word.strip() for word in os.environ.get(VISIBLE, "").split(",") if word.strip()]
    return [given[place] if given else str(place) for place in places]


def set_precision(device: torch.device, *, tf32: bool) -> None:
    """Let float32 products be rounded to TF32 before, or not; `InputError` where that cannot be had."""
    wanted = "in TF32 (--tf32)" if tf32 else "in float32 (without --tf32)"
    forced = os.environ.get(_OVERRIDE)
    if device.type == "cuda" and forced in ("0", "1") and (forced == "1") != tf32:
        raise InputError(f"The study's products are {wanted}, and {_OVERRIDE}={forced} says otherwise: unset it.")
    if tf32 and not has_tf32(device):
        raise InputError(
            f"The study's products are {wanted}, which {name_of(device)} does not have: take --device cuda on a GPU of "
            "compute capability 8.0 (Ampere) or newer."
        )
    if device.type == "cuda":  # cuDNN, which has a setting of its own, is not used
        torch.set_float32_matmul_precision("high" if tf32 else "highest")


def has_tf32(device: torch.device) -> bool:
    """Whether the device has products in TF32."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TF32_SINCE


def name_of(device: torch.device) -> str:
    """Return the GPU's name, or ``cpu``."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)


def recorder(device: torch.device) -> Callable[[Work], Work] | None:
    """Return what captures a step on the device; ``None`` where nothing is captured.

    A GPU becomes this process's own: what is told to another than the current one is no part of a graph.
    """
    if device.type != "cuda":
        return None
    if device.index is not None:
        torch.cuda.set_device(device)
    return CudaGraph()


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget_peak(device: torch.device) -> None:
    """Give back what is kept of a GPU's memory but not used, and count its peak anew."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Return the bytes that this process has needed at most; on a GPU since `forget_peak`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)  # what a captured step keeps is not all allocated
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, is that of a device without memory for more."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or _FULL.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


_FULL = re.compile(r"CUDA error: out of memory|CUDA out of memory|_ALLOC_FAILED|DefaultCPUAllocator: .* memory")


class Stopwatch:
    """The seconds between `start` and `stop`, of all times together; the device has finished at both."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._since, self._total = device, 0.0, 0.0
        self._running = False

    def start(self) -> None:
        """Go on, unless it runs."""
        if not self._running:
            synchronise(self._device)
            self._since, self._running = perf_counter(), True

    def stop(self) -> float:
        """Stop and return the total."""
        if self._running:
            synchronise(self._device)
            self._total += perf_counter() - self._since
        self._running = False
        return self._total
