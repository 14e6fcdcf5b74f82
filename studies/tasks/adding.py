"""The adding problem: remember two numbers of a long sequence, give their sum at its end."""

import torch

from studies.errors import InputError
from studies.tasks.objectives import SquaredErrorAtEnd
from studies.tasks.synthetic import SyntheticTask
from studies.tasks.task import Batch, Shape


class AddingTask(SyntheticTask):
    """Each step shows a number, uniform on [0, 1), and a mark, which is 1 at one step of each half and 0 elsewhere.

    The loss is the squared error of the sum of the two marked numbers. Exact answers exist, so ``floor`` is 0; always
    to answer 1 costs the variance of the sum, ``chance`` = 2/12. After Hochreiter and Schmidhuber (1997).
    """

    floor = 0.0
    chance = 1.0 / 6.0

    def __init__(
        self, *, length: int = 50, batch_size: int = 50, held_out: int = 1000, monitor_batches: int = 4
    ) -> None:
        if length < 2:
            raise InputError(f"length={length} has no two halves to mark a number in: give 2 or more.")
        self.length = length
        super().__init__(batch_size, held_out, monitor_batches)

    @property
    def shape(self) -> Shape:
        """Two numbers a step in, one number out, judged at the end."""
        return Shape(inputs=2, outputs=1, tokens=False, objective=SquaredErrorAtEnd())

    @property
    def question(self) -> str:
        """The task in words."""
        return f"the sum of the two marked ones of {self.length} numbers"

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Return inputs (count, length, 2) and sums (count,)."""
        half = self.length // 2
        values = torch.rand(count, self.length, generator=generator)
        first = torch.randint(half, (count, 1), generator=generator)
        second = torch.randint(half, self.length, (count, 1), generator=generator)
        marks = torch.zeros(count, self.length).scatter_(1, torch.cat((first, second), dim=1), 1.0)
        return torch.stack((values, marks), dim=2), (values * marks).sum(1)
