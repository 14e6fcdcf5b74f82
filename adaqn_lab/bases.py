"""Bases for parts: defaults that do nothing, so that a part says only what is its own. Inheriting is optional.

```python
@dataclass(frozen=True)
class SignOfTheGradient(StepperBase):
    def direction_(self, state, step, operator):
        return step.g.sign_()
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from adaqn_lab.protocols import InitialMatrix, Need, Step
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


class PartBase:
    """Needs nothing, suits every recipe, has no state."""

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing."""
        return frozenset()

    def check_recipe(self, recipe: Recipe) -> None:
        """Every recipe will do."""

    def init(self, space: Space) -> Any:
        """No state."""
        return None


class PairGeneratorBase(PartBase):
    """Uses no gradients of steps, so that there is nothing to forget; write ``pair_``."""

    def observe_(self, state: Any, step: Step) -> None:
        """Gradients are not used."""

    def reset_(self, state: Any, where: Tensor) -> None:
        """Nothing to forget."""


class ScalingBase(PartBase):
    """Uses no gradients; write ``h0``, which returns a ``Diagonal`` or anything with ``apply_`` and ``solve_``."""

    def observe_(self, state: Any, step: Step) -> None:
        """Gradients are not used."""


class MemoryBase(PartBase):
    """Has no products with B; write ``init``, ``admit_``, ``apply_``, ``reset_``.

    The state answers ``newest()``, and ``products()`` if it inherits :class:`CurvatureBase`.
    """

    invertible: ClassVar[bool] = False

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Raise ``TypeError``."""
        raise TypeError(f"{self!r} forms no products with B = H^-1; choose a memory which does, such as Window().")


class StepperBase(PartBase):
    """Has nothing to keep or to undo; write ``direction_``.

    Around another stepper: hand it ``replace(step, g=step.g.clone())`` if you need g afterwards, and forward ``needs``,
    ``check_recipe``, ``init``, ``advance_`` and ``rollback_``, as ``adaqn_lab.steppers.composing.Composing`` does. A
    dataclass with that stepper in a field ``of`` is verified so with ``verify(..., declares=("around",))``.
    """

    def advance_(self, state: Any, where: Tensor) -> None:
        """Nothing to keep."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        """Nothing to undo."""


class GuardBase(PartBase):
    """A roll-back resets the pair generator too; write ``init`` and ``judge_``.

    The state has ``loss`` and ``reference``, (R,) float64.
    """

    @property
    def clear_store(self) -> bool:
        """Yes."""
        return True

    def advance_(self, state: Any, where: Tensor) -> None:
        """Nothing to keep."""


@dataclass
class CurvatureBase:
    """A memory's state which keeps no list of its pairs; write ``newest``."""

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raise ``TypeError``."""
        raise TypeError(f"{type(self).__name__} keeps no list of its pairs; choose a memory which does: Window().")
