"""Wrong optimizers: the clocks, the roll-back and the checkpoint. Each is the honest one with one fault.

They may read tensors on the host, which the honest one never does: their windows are few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from adaqn_lab import ADAQN, Displacement, EventKind, QuasiNewton, Recipe, Verdict, Window, linalg, plain
from adaqn_lab.algorithm import Algorithm
from verification.contracts.mutants_of_guards import GUARDS
from verification.law import Subject
from verification.methods import Method
from verification.naming import name_of
from verification.scaling.adagrad import CurrentGradientLeftOut


class Watched(Algorithm):
    """The honest algorithm, which remembers the last displacement and what the last window came to."""

    last: Displacement

    def _pair(self, move: Displacement, where: Tensor) -> Verdict:
        self.last = move
        return super()._pair(move, where)

    def came_to(self, kind: EventKind) -> Tensor:
        """Which runs' last window came to ``kind``: (R,) bool."""
        return self.log.windows[-1][1][:, 0] == float(kind)

    def put_reference(self, w: Tensor, where: Tensor) -> None:
        """Overwrite w_ref of some runs."""
        linalg.assign_(self.clock.reference, w.clone(), where)


class RollBackSkipsTheClock(Watched):
    """A roll-back leaves the counter where it was, so that the next window has one iterate (minSQN)."""

    def decide(self) -> Tensor:
        back = super().decide()
        if bool(self.came_to(EventKind.ROLLED_BACK).any()):
            self.k -= 1
        return back


class BadStepsAreNotCounted(Algorithm):
    """A step whose gradient is not finite leaves the counter where it was: its window closes later."""

    def end_step(self) -> None:
        if bool(self.clock.marks[:, self.k % self.recipe.cadence.every].all()):
            super().end_step()


class SumKeptOverRollBack(Watched):
    """The window's sum is not zeroed by a roll-back (stochQN): the next average counts the refused one again."""

    def decide(self) -> Tensor:
        total = self.clock.total * self.recipe.cadence.every
        back = super().decide()
        linalg.assign_(self.clock.total, total, self.came_to(EventKind.ROLLED_BACK))
        return back


class AveragesTheWrongIterates(Algorithm):
    """The first iterate of each window is left out of the sum, which is still divided by L."""

    def end_step(self) -> None:
        if self.k % self.recipe.cadence.every == 0:
            self.clock.total.zero_()
        super().end_step()


class FirstPairTooEarly(Algorithm):
    """The initial point is taken for an average: the first pair comes at L, not at 2 L."""

    @classmethod
    def begin(cls, *arguments: Any) -> Algorithm:
        made = super().begin(*arguments)
        made.clock.anchored.fill_(True)
        return made


class RollBackAliases(Watched):
    """After a roll-back the parameters are the reference's memory: every later step moves both (climin's fork)."""

    def decide(self) -> Tensor:
        back = super().decide()
        if bool(self.came_to(EventKind.ROLLED_BACK).all()):
            for p, v in zip(self.flat.parameters, self.flat.views(self.clock.reference), strict=True):
                p.data = v
        return back


class RollBackToAverage(Watched):
    """A roll-back goes to the average that was refused."""

    def _roll_back(self, where: Tensor) -> None:
        super()._roll_back(where)
        self.flat.scatter(self.last.w_bar, where & torch.isfinite(self.last.w_bar).all(1))


class RollBackDoesNothing(Algorithm):
    """A roll-back drops the pairs and leaves the parameters."""

    def _roll_back(self, where: Tensor) -> None:
        kept = self.flat.gather()
        super()._roll_back(where)
        self.flat.scatter(kept, where)


class SkipMovesTheReference(Watched):
    """A skipped pair advances w_ref, which only always_advance asks for."""

    def decide(self) -> Tensor:
        back = super().decide()
        self.put_reference(self.last.w_bar, self.came_to(EventKind.SKIPPED))
        return back


class RollBackMovesTheReference(Watched):
    """A refused average becomes the reference all the same."""

    def decide(self) -> Tensor:
        back = super().decide()
        self.put_reference(self.last.w_bar, self.came_to(EventKind.ROLLED_BACK))
        return back


class ReferenceStays(Watched):
    """An admitted pair does not advance w_ref."""

    def decide(self) -> Tensor:
        before = self.clock.reference.clone()
        back = super().decide()
        self.put_reference(before, self.came_to(EventKind.ADMITTED))
        return back


class PairsSurviveRollBack(Algorithm):
    """A roll-back moves the parameters and keeps the pairs."""

    def _roll_back(self, where: Tensor) -> None:
        self.flat.scatter(self.clock.reference, where)


class RollBackResetsScaling(Algorithm):
    """A roll-back forgets H0's accumulator too."""

    def _roll_back(self, where: Tensor) -> None:
        super()._roll_back(where)
        if bool(where.any()):
            self.states["scaling"] = self.recipe.scaling.init(self.flat.space)


class WindowsResetTheScaling(Algorithm):
    """H0's accumulator begins anew at every window's end."""

    def decide(self) -> Tensor:
        back = super().decide()
        self.states["scaling"] = self.recipe.scaling.init(self.flat.space)
        return back


class PairsLeaveWAtTheAverage(Algorithm):
    """The parameters go to w_bar to make a pair, and stay there."""

    def _pair(self, move: Displacement, where: Tensor) -> Verdict:
        verdict = super()._pair(move, where)
        if self.recipe.pairs is not None:
            self.flat.scatter(move.w_bar, where)
        return verdict


class NanGradientMovesW(Algorithm):
    """A NaN in the gradient is taken for zero and the step is made with the rest."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        self.vector.nan_to_num_(nan=0.0, posinf=1.0, neginf=-1.0)
        return super().direction(k, loss)


class RunsLeakIntoTheSum(Algorithm):
    """Every run sums the mean iterate of all runs."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        self.before = self.clock.total.clone()
        return super().direction(k, loss)

    def end_step(self) -> None:
        step = (self.clock.total - self.before).mean(0, keepdim=True)
        self.clock.total.copy_(self.before + step)
        super().end_step()


class MaximizeIgnored(Algorithm):
    """Always descends."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        if self.oracle.maximize:
            self.vector.neg_()
        return super().direction(k, loss)


def running(kind: type[Algorithm]) -> type[QuasiNewton]:
    """The honest optimizer around a wrong algorithm."""

    class Wrong(QuasiNewton):
        def _init_state(self) -> Algorithm:
            honest = super()._init_state()
            return kind.begin(honest.recipe, honest.flat, honest.oracle)

    return Wrong


class NanGradientEnters(QuasiNewton):
    """Nobody looks whether a vector is finite (stochQN): one NaN poisons F and G for good."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        def everything(v: Tensor, where: Tensor | None = None) -> Tensor:
            return torch.ones(v.shape[0], dtype=torch.bool)

        with mock.patch.object(linalg, "keep_finite_", everything), mock.patch.object(plain, "all_finite", everything):
            return super().step(closure)


class EntriesAreFiniteNotSquares(QuasiNewton):
    """Looks whether every entry is finite: one of 1e165 is, and its square in H0's accumulator is not."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        def by_entries(v: Tensor, where: Tensor | None = None) -> Tensor:
            finite = torch.isfinite(v).all(1)
            v.masked_fill_(~(finite if where is None else finite & where).unsqueeze(1), 0.0)
            return finite

        with mock.patch.object(linalg, "keep_finite_", by_entries):
            return super().step(closure)


class WindowSumNotSaved(QuasiNewton):
    """A checkpoint has no window sum: the first average after loading is short of iterates."""

    def _restore(self, state: dict[Any, Any]) -> None:
        super()._restore(state)
        if self._algorithm is not None:
            self._algorithm.clock.total.zero_()


class CounterNotSaved(QuasiNewton):
    """A checkpoint has no step count: the windows begin anew after loading."""

    def _restore(self, state: dict[Any, Any]) -> None:
        super()._restore(state)
        if self._algorithm is not None:
            self._algorithm.k = 0


class MonitorCalledUnasked(QuasiNewton):
    """Evaluates the monitor at every window, guard or no guard."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        super()._step(parameters, loss)
        own, monitor = self._algorithm, self._closures["monitor"]
        if own is not None and monitor is not None and own.k % self.recipe.cadence.every == 0:
            monitor()


class MonitorCalledAtTheStart(QuasiNewton):
    """Evaluates the monitor at the initial point, guard or no guard."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        if self._algorithm is None and self._closures["monitor"] is not None:
            self._closures["monitor"]()
        super()._step(parameters, loss)


class WeightDecayAfterStep(QuasiNewton):
    """Decays the parameters after the step, by the step's own rate: AdamW's, not SGD's."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = 0.0
        super()._step(parameters, loss)
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay
            for p in group["params"]:
                p.mul_(1 - group["lr"] * decay)


class OneLrForAllGroups(QuasiNewton):
    """The first group's rate for every group."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        for group in self.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        super()._step(parameters, loss)


class ScalingSeesTheGradientLate(QuasiNewton):
    """The scaling observes the gradient after it was used."""

    def __init__(self, params: Any, recipe: Recipe = ADAQN, **options: Any) -> None:
        late = CurrentGradientLeftOut(eps=getattr(recipe.scaling, "eps", 1e-4))
        super().__init__(params, recipe.but(scaling=late), **options)


class CapacityZeroHoldsOne(QuasiNewton):
    """A ring of no slots is given one."""

    def __init__(self, params: Any, recipe: Recipe = ADAQN, **options: Any) -> None:
        if isinstance(recipe.memory, Window) and recipe.memory.capacity == 0:
            recipe = recipe.but(memory=Window(capacity=1, test=recipe.memory.test))
        super().__init__(params, recipe, **options)


_ALGORITHMS = (
    RollBackSkipsTheClock,
    BadStepsAreNotCounted,
    SumKeptOverRollBack,
    AveragesTheWrongIterates,
    FirstPairTooEarly,
    RollBackAliases,
    RollBackToAverage,
    RollBackDoesNothing,
    SkipMovesTheReference,
    RollBackMovesTheReference,
    ReferenceStays,
    PairsSurviveRollBack,
    RollBackResetsScaling,
    WindowsResetTheScaling,
    PairsLeaveWAtTheAverage,
    NanGradientMovesW,
    RunsLeakIntoTheSum,
    MaximizeIgnored,
)
_OPTIMIZERS = {name_of(kind): running(kind) for kind in _ALGORITHMS} | {
    name_of(kind): kind
    for kind in (
        NanGradientEnters,
        EntriesAreFiniteNotSquares,
        WindowSumNotSaved,
        CounterNotSaved,
        MonitorCalledUnasked,
        MonitorCalledAtTheStart,
        WeightDecayAfterStep,
        OneLrForAllGroups,
        ScalingSeesTheGradientLate,
        CapacityZeroHoldsOne,
    )
}
_WRONG_PARTS = {
    name: ADAQN.but(guard=GUARDS[name]())
    for name in ("nan_loss_accepted", "negative_bound", "reference_loss_of_rejected_window", "runs_share_the_guard")
}
METHODS: dict[str, Callable[[], Any]] = {
    **{name: (lambda kind=kind: Method(ADAQN, kind)) for name, kind in _OPTIMIZERS.items()},  # type: ignore[misc]
    **{name: (lambda recipe=recipe: Method(recipe)) for name, recipe in _WRONG_PARTS.items()},  # type: ignore[misc]
}
"""Name -> factory of the method: adaQN by a wrong optimizer, or with a wrong part."""
MUTANTS = {Subject.RECIPE: METHODS}
