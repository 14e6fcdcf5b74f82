"""What workers work with: the device, and how many cells at once."""

from collections.abc import Sequence
from typing import Any

import pytest

from studies.errors import InputError
from studies.execution.equipment import AtOnce, Batches, Equipment
from studies.execution.processes import usable_cores
from studies.planning.study import Cell, Study
from tests.studies.training.test_device import two_gpus as two_gpus

CELL = Cell("a 0", {})


class Measured(Study):
    """A study whose best number is 16, whatever there is."""

    kind, together = "measured", True

    def __init__(self) -> None:
        self.asked = list[int]()

    def best_at_once(self, cell: Cell, most: int, device: str) -> int:
        self.asked.append(most)
        return min(16, most)

    configuration = cells = remaining = do = values = grown_from = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("given", "at_once"), [(None, 1), ("auto", None), (1, 1), (64, 64)]
)  # fmt: skip
def test_on_a_cpu_one_at_once_unless_asked(given: AtOnce | None, at_once: int | None) -> None:
    equipment = Equipment.of("cpu", given)
    assert equipment == Equipment(device="cpu", at_once=at_once)
    assert equipment.workers == usable_cores()


@pytest.mark.usefixtures("two_gpus")
def test_on_gpus_all_at_once_unless_told_and_a_worker_for_each() -> None:
    assert Equipment.of("auto", None) == Equipment(device="cuda", at_once=None)
    assert Equipment.of("cuda", 8).at_once == 8
    assert Equipment.of("cuda", None).workers == 2
    assert Equipment.of("cuda:1", None).workers == 1
    for fine in (None, 0, 1, 2):
        Equipment.of("cuda", None).check_workers(fine)
    with pytest.raises(InputError, match=r"--workers 3 is more than 2 GPU\(s\)"):
        Equipment.of("cuda", None).check_workers(3)
    Equipment.of("cpu", None).check_workers(1000)


@pytest.mark.parametrize("wrong", [0, -3])
def test_less_than_one_at_once_is_refused(wrong: int) -> None:
    with pytest.raises(InputError, match=f"--side-by-side {wrong} is too small"):
        Equipment.of("cpu", wrong)


@pytest.mark.parametrize(
    ("given", "alike", "sizes"), [(4, 10, [4, 3, 3]), (4, 3, [3]), (1, 3, [1, 1, 1]), (None, 40, [14, 13, 13])]
)
def test_what_waits_is_done_in_even_parts(given: int | None, alike: int, sizes: Sequence[int]) -> None:
    batches, study, found = Batches(Equipment(at_once=given)), Measured(), []
    while alike:
        found.append(batches.size(study, CELL, alike))
        alike -= found[-1]
    assert found == sizes


def test_a_group_is_measured_once_for_few_and_once_for_many() -> None:
    batches, study = Batches(Equipment(at_once=None)), Measured()
    assert [batches.size(study, CELL, alike) for alike in (2, 3, 40, 33, 2)] == [2, 2, 14, 11, 2]
    assert study.asked == [2, 40]


@pytest.mark.usefixtures("two_gpus")
def test_on_a_gpu_all_at_once_and_nothing_is_measured() -> None:
    batches, study = Batches(Equipment.of("cuda", None)), Measured()
    assert [batches.size(study, CELL, alike) for alike in (10, 100, 1)] == [10, 100, 1]
    assert not study.asked
    assert batches.halve(study.pace(CELL), 100) == 50
    assert [batches.size(study, CELL, alike) for alike in (60, 50)] == [30, 50]


def test_what_did_not_fit_is_not_tried_again() -> None:
    batches, study = Batches(Equipment(at_once=64)), Measured()
    assert batches.size(study, CELL, 64) == 64
    assert batches.halve(study.pace(CELL), 64) == 32
    assert batches.size(study, CELL, 64) == 32


def test_cells_that_do_not_go_together_are_done_one_by_one() -> None:
    class Alone(Measured):
        together: Any = False

    assert Batches(Equipment(at_once=64)).size(Alone(), CELL, 64) == 1
