"""Wrong optimizers: what they do to the user's memory, and after his callables have raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import ADAQN, QuasiNewton
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.space import FlatParameters
from verification.law import Subject
from verification.optimizer.mutants_of_loops import methods


class FlattensTheParameters(QuasiNewton):
    """Lays all parameters into one vector before the first step, for speed."""

    def _init_state(self) -> Algorithm:
        parameters = self._parameters()
        flat = torch.cat([p.detach().reshape(-1) for p in parameters])
        for p, x in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
            p.data = x.view(p.shape)
        return super()._init_state()


class WritesIntoReshaped(QuasiNewton):
    """Moves ``p.reshape(-1)``, which is a copy where a parameter has strides."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        old = {p: p.detach().clone() for p in parameters if not p.is_contiguous()}
        super()._step(parameters, loss)
        for p, x in old.items():
            p.copy_(x)


class FillsTheStorage(QuasiNewton):
    """Writes the whole storage, with what lies between the entries."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        super()._step(parameters, loss)
        for p in parameters:
            x = p.detach().clone()
            torch.empty(0, dtype=p.dtype).set_(p.untyped_storage()).zero_()
            p.copy_(x)


class SameTensorSameGradient(QuasiNewton):
    """Does not look again into a gradient which is the tensor of the step before."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        seen: dict[int, Tensor] = self.__dict__.setdefault("seen", {})
        given = [p.grad for p in parameters]
        for p in parameters:
            if p.grad is not None:
                p.grad = seen.setdefault(id(p.grad), p.grad.clone())
        super()._step(parameters, loss)
        for p, g in zip(parameters, given, strict=True):
            p.grad = g


class CountsIdleCalls(QuasiNewton):
    """A call without any gradient is a step along a gradient of zeros."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        parameters = self._parameters()
        if closure is not None or self._algorithm is None or any(p.grad is not None for p in parameters):
            return super().step(closure)
        for p in parameters:
            p.grad = torch.zeros_like(p)
        super().step()
        for p in parameters:
            p.grad = None
        return None


class _Elsewhere(FlatParameters):
    """Points at which the callables are asked lie in other memory than the parameters."""

    @contextmanager
    def at(self, w: Tensor) -> Iterator[None]:
        kept = [p.data for p in self.parameters]
        for p, x in zip(self.parameters, self.views(w), strict=True):
            p.data = x.clone()
        yield
        for p, x in zip(self.parameters, kept, strict=True):
            p.data = x


class AsksElsewhere(QuasiNewton):
    """Exchanges the parameters' memory while a callable is asked: who holds a view of it sees another point."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        made.flat.__class__ = _Elsewhere
        return made


class GradientsReplaced(QuasiNewton):
    """Leaves copies in ``.grad``."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        super()._step(parameters, loss)
        for p in parameters:
            p.grad = None if p.grad is None else p.grad.clone()


class _StaysThere(FlatParameters):
    """The parameters are put back where nothing was raised."""

    @contextmanager
    def at(self, w: Tensor) -> Iterator[None]:
        kept = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.views(w))
        yield
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, kept)


class StaysWhereItAsked(QuasiNewton):
    """A callable that raises leaves the parameters at the point where it was asked."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        made.flat.__class__ = _StaysThere
        return made


class DropsTheUndecided(QuasiNewton):
    """A window in which a callable raised is forgotten."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        own = self._algorithm
        if own is not None and own.undecided:
            own.undecided = False
            own.clock.total.zero_()
        super()._step(parameters, loss)


class DividesAgain(Algorithm):
    """A window which is decided late is divided by its steps once more."""

    asked = 0

    def decide(self) -> Tensor:
        if self.asked == self.k:
            self.clock.total.div_(self.recipe.cadence.every)
        self.asked = self.k
        return super().decide()


class SwallowsLookups(QuasiNewton):
    """An error which a dictionary may raise is taken for its own."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        with suppress(LookupError):
            super()._step(parameters, loss)


LAYOUTS = {
    **methods(ADAQN, FlattensTheParameters, WritesIntoReshaped, FillsTheStorage, SameTensorSameGradient),
    **methods(ADAQN, CountsIdleCalls, AsksElsewhere, GradientsReplaced),
}
"""What shows where parameters and gradients lie in somebody's memory."""
TROUBLES = methods(ADAQN, StaysWhereItAsked, DropsTheUndecided, DividesAgain, SwallowsLookups)
"""What shows where a callable raises."""
MUTANTS = {Subject.RECIPE: {**LAYOUTS, **TROUBLES}}
