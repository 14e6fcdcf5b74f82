"""Optimizers as a port leaves them: five wrong, one right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import ADAQN, BlockDiagonal, Cadence, MonitorIncrease, Nesterov, QuasiNewton, linalg, plain
from adaqn_lab import state as part_state
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.ambient import plain_arithmetic
from adaqn_lab.events import EventKind
from adaqn_lab.protocols import Displacement
from verification.law import Subject
from verification.methods import Method

SHORT = ADAQN.but(cadence=Cadence(every=4))


class ResetKeepsMasks(QuasiNewton):
    """``reset`` copies the numbers and passes over the masks: what was anchored, held or started still is."""

    @torch.no_grad()
    def reset(self) -> None:
        own = self._algorithm
        if own is None:
            return
        with plain_arithmetic(self._parameters()[0].device):
            fresh = self._init_state()
            fresh.start()
        kept = part_state.flatten(own.states)
        for name, tensor in part_state.flatten(fresh.states).items():
            if tensor.dtype != torch.bool:
                kept[name].copy_(tensor)
        own.k, own.undecided, own.log, own.oracle.calls = 0, False, fresh.log, fresh.oracle.calls


class LoadsWithoutCopying(QuasiNewton):
    """The tensors of a loaded dict are bound as they are, and go on with this optimizer in the one that gave them."""

    def _restore(self, state: dict[Any, Any]) -> None:
        saved = dict(next((entry for entry in state.values() if isinstance(entry, dict)), {}))
        super()._restore(state)
        own = self._algorithm
        if own is None:
            return
        for role, part in own.states.items():
            for full, owner, name in _tensors(role, part):
                given = saved.get(full)
                if isinstance(given, Tensor) and given.device == getattr(owner, name).device:
                    setattr(owner, name, given.detach())


def _tensors(role: str, part: Any) -> Iterator[tuple[str, Any, str]]:
    yield from part_state._fields(role, part)


@dataclass
class _Ragged(Algorithm):
    """The window's mean by the steps whose gradient was finite."""

    def end_step(self) -> None:
        every = self.recipe.cadence.every
        if (self.k + 1) % every == 0:
            made = self.clock.marks.all(dim=2).sum(dim=1).clamp(min=1)
            self.clock.total.mul_((every / made).to(self.clock.total.dtype).unsqueeze(1))
        super().end_step()


class MeanOfRaggedWindow(QuasiNewton):
    """w_bar is the sum over all L iterates by the number of steps that were not skipped."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        return _Ragged(made.recipe, made.flat, made.oracle, made.states, made.vector, made.operator)


@dataclass
class _Always(Algorithm):
    """A parenthesis of :meth:`Algorithm.decide` fell in a tidying."""

    def decide(self) -> Tensor:
        recipe, states, clock = self.recipe, self.states, self.clock
        s = clock.total
        w_bar = torch.add(clock.reference, s, out=self.vector)
        keep = plain.all_finite(w_bar)
        move = Displacement(s, w_bar, clock.reference, clock.anchored & keep)
        if recipe.guard is not None:
            keep = keep & recipe.guard.judge_(states["guard"], move, self.oracle)
        verdict = self._pair(move, clock.anchored & keep)
        tried = clock.anchored if recipe.pairs is not None else torch.zeros_like(clock.anchored)
        advance = keep & (verdict.admitted | ~tried) | recipe.cadence.always_advance
        kind = torch.where(verdict.admitted, EventKind.ADMITTED, EventKind.SKIPPED)
        kind = torch.where(tried, kind, EventKind.REFERENCE)
        kind = torch.where(keep, kind, EventKind.ROLLED_BACK)
        self._record(kind, verdict)
        self._roll_back(~keep)
        if recipe.guard is not None:
            recipe.guard.advance_(states["guard"], advance)
        recipe.stepper.advance_(states["stepper"], advance)
        linalg.assign_(clock.reference, w_bar, advance)
        clock.anchored = clock.anchored | advance
        clock.total.zero_()
        self.undecided = False
        return ~keep


class AdvancesWhatItRefused(QuasiNewton):
    """With ``always_advance`` an average that the guard refused becomes the reference all the same."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        always = _Always(made.recipe, made.flat, made.oracle, made.states, made.vector, made.operator)
        always.keep_views()
        return always


class DecayOfTheFirstGroup(QuasiNewton):
    """Weight decay is that of the first parameter group in every group."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        own = [group["weight_decay"] for group in self.param_groups]
        try:
            for group in self.param_groups[1:]:
                group["weight_decay"] = own[0]
            super()._step(parameters, loss)
        finally:
            for group, decay in zip(self.param_groups, own, strict=True):
                group["weight_decay"] = decay


class Counting(QuasiNewton):
    """Right: counts its steps and puts no number anywhere that the method could see."""

    steps_made: int = 0

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        super()._step(parameters, loss)
        self.steps_made += 1


ALWAYS = ADAQN.but(cadence=Cadence(every=3, always_advance=True), guard=MonitorIncrease(at_most=1.0))
BY_TENSOR = ADAQN.but(
    memory=BlockDiagonal(),
    stepper=Nesterov(momentum=0.5),
    guard=MonitorIncrease(reevaluate=True),
    cadence=Cadence(every=5, after_step=True),
)

MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "reset_passes_over_the_masks": lambda: Method(SHORT, ResetKeepsMasks),
        "loaded_state_shares_the_dicts_tensors": lambda: Method(SHORT, LoadsWithoutCopying),
        "average_by_the_steps_not_skipped": lambda: Method(SHORT, MeanOfRaggedWindow),
        "refused_average_becomes_the_reference": lambda: Method(ALWAYS, AdvancesWhatItRefused),
        "weight_decay_of_the_first_group": lambda: Method(SHORT, DecayOfTheFirstGroup),
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {"counts_its_own_steps": lambda: Method(BY_TENSOR, Counting)}
}
