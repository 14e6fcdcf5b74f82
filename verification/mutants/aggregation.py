"""Wrong displacement aggregations, each with one sin, which its name says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from unittest import mock

import torch
from torch import Tensor

from adaqn_lab import Displacement, DisplacementAggregation, Verdict
from adaqn_lab.memory.aggregation import Frame
from adaqn_lab.protocols import Operator
from verification.mutants.naming import sin_of


class _Wrong(DisplacementAggregation, ABC):
    """Declares what it does not do; ``wrong`` stands in for a method of the algebra."""

    declares: ClassVar[tuple[str, ...]] = ("spanned",)
    name: ClassVar[str] = "taken_over"

    @staticmethod
    @abstractmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        """The method with a sin."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Admit with the wrong algebra."""
        right = getattr(Frame, self.name)

        def sinful(frame: Frame, *arguments: Any) -> Any:
            return type(self).wrong(right, frame, *arguments)

        with mock.patch.object(Frame, self.name, sinful):
            return super().admit_(state, move, y, operator)


class EvictsWhatIsRedundant(_Wrong):
    """Nothing is ever found redundant: the oldest pair leaves with all that it knew."""

    name = "redundant"

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        return torch.zeros_like(frame.held)


class TakesNothingOver(_Wrong):
    """The redundant pair leaves and the others stay as they are."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        p, c = right(frame, *arguments)
        return torch.zeros_like(p), torch.eye(len(c[0]), dtype=c.dtype).expand_as(c)


class AggregatesWithoutOlderPairs(_Wrong):
    """B is H0^-1 although older pairs are held."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        gone = arguments[0]
        recent = (gone.long().cumsum(1) == 1) | ~gone.any(1, keepdim=True)
        return right(Frame(frame.basis, frame.r, frame.y_q, frame.held & recent), *arguments)


class AggregatesAroundAnotherH0(_Wrong):
    """H0 is taken for twice what it is."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, gone: Tensor, h0: float) -> Any:
        return right(frame, gone, 2 * h0)


class AggregatesInReverse(_Wrong):
    """y_t - b_t y_j for y_t + b_t y_j."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        p, c = right(frame, *arguments)
        return p, torch.where(arguments[0].unsqueeze(1), -c, c)


MEMORY: dict[str, Callable[[], Any]] = {
    sin_of(kind): partial(kind, capacity=3)
    for kind in (
        EvictsWhatIsRedundant,
        TakesNothingOver,
        AggregatesWithoutOlderPairs,
        AggregatesAroundAnotherH0,
        AggregatesInReverse,
    )
}
