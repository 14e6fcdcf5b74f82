"""One way to drive any part: feed it items, read what it answers.

The contract of a part (masks, several runs, saving, resetting, purity) does not depend on its role. A bench
hides the role: ``feed(items, where)`` is what the optimizer does to the part in the course of time,
``read()`` asks it for its answer, an (R, n) tensor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaqn_lab import Step
from adaqn_lab import state as part_state
from adaqn_lab.space import FlatParameters
from verification.compare import holds, torch_dtype
from verification.parts import tensor
from verification.strategies import ContractCase, tensors_of

Array = NDArray[Any]
WINDOW = 3
"""The length of the windows of a part which does not say its own by a field ``every``."""


@dataclass(frozen=True)
class Setting:
    """What surrounds a step and says nothing about the problem.

    ``loss``: what the closure returned. ``counted``: ``step.k`` is a tensor, as with ``graphs=True``. ``strided``: the
    vectors are rows of a larger tensor, whose other rows are NaN.
    """

    loss: Any = None
    counted: bool = False
    strided: bool = False


def strided(x: Tensor) -> Tensor:
    """``x`` (R, n) as the middle rows of a tensor (R, 3, n), the others NaN."""
    larger = torch.full((x.shape[0], 3, x.shape[1]), torch.nan, dtype=x.dtype)
    larger[:, 1] = x
    return larger[:, 1]


class Bench(ABC):
    """Drives ``part`` on the runs ``rows`` of a case.

    ``given`` keeps what the part was given, (name, tensor, copy of it as it was): nobody may write into it.
    """

    resettable: ClassVar[bool] = True
    setting = Setting()

    def __init__(self, part: Any, case: ContractCase, rows: tuple[int, ...] | None = None) -> None:
        self.part, self.case = part, case
        self.rows = tuple(range(case.runs)) if rows is None else rows
        sizes, dtype = tensors_of(case.n, case.cut) if case.cut else [case.n], torch_dtype(case.dtype)
        parameters = [torch.zeros(len(self.rows), size, dtype=dtype, requires_grad=True) for size in sizes]
        self.flat = FlatParameters(parameters, len(self.rows))
        self.space = self.flat.space
        self.state = part.init(self.space)
        self.given: list[tuple[str, Tensor, Tensor]] = []
        self.k = 0

    def give(self, name: str, value: Array) -> Tensor:
        """``value`` (all runs, n) restricted to this bench's runs, remembered."""
        own = tensor(value[list(self.rows)])
        return self.keep(name, strided(own) if self.setting.strided else own)

    def keep(self, name: str, own: Tensor) -> Tensor:
        """Remember ``own``, which is about to be given."""
        self.given.append((name, own, own.clone()))
        return own

    def go(self, w: Array) -> None:
        """Move the parameters to ``w`` (all runs, n)."""
        with torch.no_grad():
            parts = torch.split(tensor(w[list(self.rows)]), self.flat.sizes, 1)
            for p, part in zip(self.flat.parameters, parts, strict=True):
                p.copy_(part)

    def mask(self, where: Array) -> Tensor:
        """``where`` (all runs,) restricted to this bench's runs."""
        return torch.from_numpy(where[list(self.rows)].copy())

    def step(self, g: Array, where: Array) -> Step:
        """A step with gradient ``g`` (all runs, n), its rows zero outside ``where``, as the optimizer makes it."""
        place = self.k % self.window
        self.k += 1
        own = self.give("g", np.where(where[:, None], g, 0.0).astype(g.dtype))
        mask = self.keep("where", self.mask(where))
        k = torch.tensor(float(self.k), dtype=torch.float64) if self.setting.counted else self.k
        return Step(k, own, mask, self.flat.gather, self.setting.loss, place, place + 1 == self.window)

    @property
    def window(self) -> int:
        """The length of a window: the part's field ``every``, if it has one."""
        return int(getattr(self.part, "every", WINDOW))

    def owned(self, answer: Tensor, state: Any = None) -> Tensor:
        """A copy of ``answer``, (R, n): the optimizer writes into it, so that no state may live in its memory."""
        shape = (len(self.rows), self.case.n)
        holds(answer.shape == shape, f"an answer of shape {tuple(answer.shape)}, expected {shape}")
        holds(answer.dtype == self.space.dtype, f"an answer in dtype {answer.dtype}, expected {self.space.dtype}")
        for name, x in part_state.flatten({"state": self.state if state is None else state}).items():
            apart = x.untyped_storage().data_ptr() != answer.untyped_storage().data_ptr()
            holds(apart or not x.numel(), f"the answer shares the memory of {name}; the optimizer writes into it")
        return answer.clone()

    def feed_all(self, count: int | None = None, start: int = 0) -> None:
        """Feed items ``start`` to ``count`` of the case, each for the runs in its mask."""
        stop = self.case.items if count is None else count
        for k in range(start, stop):
            self.feed(k, self.case.masks[k])

    @abstractmethod
    def feed(self, k: int, where: Array) -> None:
        """Show the k-th item of the case to the runs in ``where`` (all runs,)."""

    @abstractmethod
    def read(self) -> Tensor:
        """The part's answer, (R, n), fresh."""

    def ask(self) -> Tensor:
        """The same, from the state itself where ``read`` asks a copy of it."""
        return self.read()

    def opened_window(self) -> bool:
        """Whether the last step opened a window of a part with a field ``every``: for all runs, masked or not."""
        return hasattr(self.part, "every") and (self.k - 1) % self.window == 0

    @abstractmethod
    def atol(self, run: int) -> Array | float:
        """How far two orders of summation may part in ``read()`` of this run of the case."""

    def follow(self, other: Bench) -> None:
        """Take over what belongs to the bench, not to the part, from one that went ahead."""
        self.k = other.k

    def reset(self, where: Array) -> None:
        """Reset the runs in ``where``."""
        self.part.reset_(self.state, self.mask(where))
