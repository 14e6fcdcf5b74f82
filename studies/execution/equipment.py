"""What the workers of a command work with: the device, and how many cells they do at once on it."""

from dataclasses import dataclass
from typing import Literal

from studies.errors import InputError, require_at_least
from studies.execution.processes import usable_cores
from studies.planning.study import Cell, Study
from studies.training.device import device_named, gpus

AtOnce = int | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """``device`` as torch names it; at most so many cells ``at_once``, ``None`` where that is left to `Batches`."""

    device: str = "cpu"
    at_once: int | None = 1

    @classmethod
    def of(cls, device: str, side_by_side: AtOnce | None) -> "Equipment":
        """Return what the options ask for: without a number one cell at once on a CPU, ``auto`` on a GPU.

        `InputError` for a device that is not here, and for a number below 1.
        """
        found = device_named(device)
        if side_by_side is None:
            side_by_side = "auto" if found.type == "cuda" else 1
        if side_by_side != "auto":
            require_at_least(1, side_by_side=side_by_side)
        return cls(device=str(found), at_once=None if side_by_side == "auto" else side_by_side)

    def check_workers(self, workers: int | None) -> None:
        """Raise `InputError` for more workers than GPUs: each takes a GPU's free memory for its own."""
        there = len(gpus(device_named(self.device)))
        if there and (workers or 0) > there:
            raise InputError(f"--workers {workers} is more than {there} GPU(s), each of which takes one: give fewer.")

    @property
    def workers(self) -> int:
        """How many workers keep it busy: one for each GPU, else for each core."""
        return len(gpus(device_named(self.device))) or usable_cores()


class Batches:
    """How many cells of a group a worker does at once, limited for all cells of a pace.

    Unless a number is given: on a GPU all that there are, since more at once take less time each there (docs/gpu.md),
    and measuring costs more than it can save; on a CPU what is found by measuring.
    """

    def __init__(self, equipment: Equipment) -> None:
        self._device, self._given = equipment.device, equipment.at_once
        self._on_gpu = device_named(equipment.device).type == "cuda"
        self._best: dict[tuple[str, int], int] = {}
        self._limits: dict[str, int] = {}

    def size(self, study: Study, cell: Cell, alike: int) -> int:
        """Return how many to do at once of the ``alike`` cells of this one's group: even parts of them."""
        if not study.together or alike == 1:
            return 1
        most = self._given or (alike if self._on_gpu else self._measured(study, cell, alike))
        most = self.limit(study.pace(cell), most)
        return -(-alike // -(-alike // most))

    def _measured(self, study: Study, cell: Cell, alike: int) -> int:
        key = study.pace(cell), alike.bit_length()  # what is best of few need not be of many, which may come later
        if key not in self._best:
            self._best[key] = study.best_at_once(cell, alike, self._device)
        return self._best[key]

    def limit(self, pace: str, most: int) -> int:
        """Return ``most``, or fewer where so many cells of the pace did not fit."""
        return min(most, self._limits.get(pace, most))

    def halve(self, pace: str, count: int) -> int:
        """Do at most half as many as ``count`` of the pace from now on, and return that."""
        self._limits[pace] = count // 2
        return self._limits[pace]
