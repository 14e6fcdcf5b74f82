"""Copy memory: repeat symbols seen long ago."""

from math import log

import torch

from studies.errors import InputError
from studies.tasks.objectives import NOT_COUNTED
from studies.tasks.synthetic import SyntheticTask
from studies.tasks.task import Batch, Shape


class CopyTask(SyntheticTask):
    """``length`` random letters, ``delay`` blanks, a call to answer, and then the letters again, in their order.

    Letters are 0 to ``letters`` - 1, the blank and the call follow. Only the answers are charged, so a perfect memory
    reaches ``floor`` = 0 and none at all costs ``chance`` = ln(letters). After Hochreiter and Schmidhuber (1997), in
    the form of Arjovsky, Shah and Bengio (2016), who charge the blanks as well.
    """

    floor = 0.0

    def __init__(
        self,
        *,
        letters: int = 8,
        length: int = 5,
        delay: int = 20,
        batch_size: int = 50,
        held_out: int = 400,
        monitor_batches: int = 4,
    ) -> None:
        for name, value, least in (("letters", letters, 2), ("length", length, 1), ("delay", delay, 0)):
            if value < least:
                raise InputError(f"{name}={value} leaves nothing to remember: give {least} or more.")
        self.letters, self.length, self.delay, self.chance = letters, length, delay, log(letters)
        super().__init__(batch_size, held_out, monitor_batches)

    @property
    def shape(self) -> Shape:
        """Letters, blank and call in; a letter out."""
        return Shape(inputs=self.letters + 2, outputs=self.letters)

    @property
    def question(self) -> str:
        """The task in words."""
        return f"{self.length} of {self.letters} letters, {self.delay} blanks after they were shown"

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Return inputs and targets (count, 2 length + delay)."""
        told = torch.randint(self.letters, (count, self.length), generator=generator)
        inputs = torch.full((count, 2 * self.length + self.delay), self.letters)
        inputs[:, : self.length] = told
        inputs[:, -self.length] = self.letters + 1
        targets = torch.full_like(inputs, NOT_COUNTED)
        targets[:, -self.length :] = told
        return inputs, targets
