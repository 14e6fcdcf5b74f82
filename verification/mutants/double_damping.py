"""Wrong double dampings, each with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from adaqn_lab import LevenbergDamping, PowellH, Repaired, Window
from adaqn_lab.protocols import Operator


class _Wrong(Repaired):
    """Declares both dampings."""

    declares: ClassVar[tuple[str, ...]] = ("double damped",)


@dataclass(frozen=True)
class _Nothing:
    """Repairs nothing, with the fields of both dampings."""

    delta: float = 0.2
    mu: float = 0.1
    needs_inverse: ClassVar[bool] = False

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return the pair."""
        return s, y


@dataclass(frozen=True)
class _YFirst(_Nothing):
    """The second damping, where the first belongs."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp y by s."""
        return LevenbergDamping(mu=self.mu).repair(s, y, operator)


@dataclass(frozen=True)
class _SSecond(_Nothing):
    """The first damping, where the second belongs."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp s by H y."""
        return PowellH(delta=self.delta).repair(s, y, operator)


def _wrong(first: Any, second: Any) -> Callable[[], Any]:
    return partial(_Wrong, by=first, of=Repaired(by=second, of=Window(capacity=3)))


MEMORY: dict[str, Callable[[], Any]] = {
    "damps_y_first": _wrong(_YFirst(), _SSecond()),
    "damps_s_only": _wrong(PowellH(), _Nothing()),
    "damps_y_only": _wrong(_Nothing(), LevenbergDamping()),
}
