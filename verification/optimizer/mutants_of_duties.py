"""Wrong optimizers: checkpoints, reset, ambient modes, float32, what is not theirs to write."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from adaqn_lab import ADAQN, QuasiNewton, optimizer
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.events import Log
from verification.law import Subject
from verification.optimizer.mutants_of_loops import methods


class _Forgets(QuasiNewton):
    """A checkpoint lacks something: ``forget`` puts it back to what a new optimizer has."""

    def forget(self, own: Algorithm) -> None:
        raise NotImplementedError

    def _restore(self, state: dict[Any, Any]) -> None:
        super()._restore(state)
        if self._algorithm is not None:
            self.forget(self._algorithm)


class MarksNotSaved(_Forgets):
    """The bad gradients of the window under way are forgotten."""

    def forget(self, own: Algorithm) -> None:
        own.clock.marks.fill_(True)


class AnchorNotSaved(_Forgets):
    """Whether there is a reference is forgotten: the next window makes none of its pair."""

    def forget(self, own: Algorithm) -> None:
        own.clock.anchored = torch.full_like(own.clock.anchored, own.recipe.cadence.from_start)


class LogNotSaved(_Forgets):
    """The events begin anew."""

    def forget(self, own: Algorithm) -> None:
        own.log = Log()


class LoadsByReference(QuasiNewton):
    """The state lives in the tensors that it was given, which another optimizer may go on using."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        held = [entry for entry in state_dict["state"].values() if "clock.total" in entry]
        if self._algorithm is not None and held:
            self._algorithm.clock.total = held[0]["clock.total"]
            self._algorithm.keep_views()


class KeepsItsOwnLr(QuasiNewton):
    """The groups' lr are those of the constructor."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        rates = [group["lr"] for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, lr in zip(self.param_groups, rates, strict=True):
            group["lr"] = lr


class CopySharesTheMemory(QuasiNewton):
    """A deep copy writes its pairs into the memory of the first."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CopySharesTheMemory:
        if self._algorithm is not None:
            memory = self._algorithm.states["memory"]
            memo[id(memory)] = memory
        made = memo[id(self)] = type(self).__new__(type(self))
        made.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return made


class CopyForgetsTheWindow(QuasiNewton):
    """A deep copy begins its window's sum anew."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_recipe" in state and self._algorithm is not None:
            self._algorithm.clock.total.zero_()


class _Keeps(QuasiNewton):
    """``reset`` keeps something: ``keep`` returns a function which puts it back."""

    def keep(self, own: Algorithm) -> Callable[[], None]:
        raise NotImplementedError

    def reset(self) -> None:
        own = self._algorithm
        put_back = self.keep(own) if own is not None else lambda: None
        super().reset()
        put_back()


class ResetKeepsTheEvents(_Keeps):
    """The log goes on."""

    def keep(self, own: Algorithm) -> Callable[[], None]:
        log = own.log
        return lambda: setattr(own, "log", log)


class ResetKeepsTheCount(_Keeps):
    """The window under way goes on."""

    def keep(self, own: Algorithm) -> Callable[[], None]:
        k = own.k
        return lambda: setattr(own, "k", k)


class ResetKeepsH0(_Keeps):
    """The accumulator of the scaling stays."""

    def keep(self, own: Algorithm) -> Callable[[], None]:
        squares = own.states["scaling"].G.clone()
        return lambda: setattr(own.states["scaling"], "G", squares)


class ResetKeepsTheReference(_Keeps):
    """The next roll-back goes back to before the reset."""

    def keep(self, own: Algorithm) -> Callable[[], None]:
        reference = own.clock.reference.clone()
        return lambda: setattr(own.clock, "reference", reference)


class ScalarsOfTheDefaultDtype(QuasiNewton):
    """lr passes through a tensor of the default dtype."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        for group in self.param_groups:
            lr = group["lr"]
            group["lr"] = lr if isinstance(lr, Tensor) else float(torch.tensor(lr / 3)) * 3
        super()._step(parameters, loss)


class StateOfInferenceMode(QuasiNewton):
    """Makes its tensors in whatever mode there is."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with mock.patch.object(optimizer, "plain_arithmetic", return_value=nullcontext()):
            return super().step(closure)


class DecayWrittenIntoGrad(QuasiNewton):
    """Weight decay is added to the gradients where they are."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        super()._step(parameters, loss)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.add_(p, alpha=group["weight_decay"])


class ParametersRebound(QuasiNewton):
    """Every step puts new tensors into the parameters."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        super()._step(parameters, loss)
        for p in parameters:
            p.data = p.data.clone()


class SumsTheIterates(Algorithm):
    """The window's sum is one of w, in the parameters' dtype."""

    seen: tuple[Tensor, ...] = ()

    def decide(self) -> Tensor:
        clock = self.clock
        total = torch.zeros_like(clock.total)
        for w in self.seen:
            total += w
        clock.total.copy_(total / len(self.seen) - clock.reference)
        return super().decide()

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        fresh = self.k % self.recipe.cadence.every == 0
        self.seen = (*(() if fresh else self.seen), self.flat.gather())
        return super().direction(k, loss)


class SFromTheRoundedAverage(Algorithm):
    """s = w_bar - w_ref after w_bar was rounded to the parameters' dtype."""

    def decide(self) -> Tensor:
        clock = self.clock
        clock.total.copy_((clock.reference + clock.total) - clock.reference)
        return super().decide()


MUTANTS = {
    Subject.RECIPE: {
        **methods(ADAQN, MarksNotSaved, AnchorNotSaved, LogNotSaved, LoadsByReference, KeepsItsOwnLr),
        **methods(ADAQN, CopySharesTheMemory, CopyForgetsTheWindow),
        **methods(ADAQN, ResetKeepsTheEvents, ResetKeepsTheCount, ResetKeepsH0, ResetKeepsTheReference),
        **methods(ADAQN, ScalarsOfTheDefaultDtype, StateOfInferenceMode, DecayWrittenIntoGrad, ParametersRebound),
        **methods(ADAQN, SumsTheIterates, SFromTheRoundedAverage),
    }
}
