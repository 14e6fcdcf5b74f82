"""Wrong optimizers: the clocks, the roll-back and the checkpoint. Each is the honest one with one sin.

They may read tensors on the host, which the honest one never does: their windows are few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import ADAQN, Displacement, EventKind, QuasiNewton, Recipe, Verdict, Window
from adaqn_lab.space import FlatParameters
from verification.methods import Method
from verification.mutants.guards import GUARDS
from verification.mutants.naming import sin_of
from verification.mutants.scaling import CurrentGradientLeftOut


class Watched(QuasiNewton):
    """The honest optimizer, which remembers the last displacement and what the last window came to."""

    last: Displacement

    def _pair(self, move: Displacement, where: Tensor) -> Verdict:
        self.last = move
        return super()._pair(move, where)

    def came_to(self, kind: EventKind) -> Tensor:
        """Which runs' last window came to ``kind``: (R,) bool."""
        return self._log.windows[-1][1][:, 0] == float(kind)

    def put_reference(self, w: Tensor, where: Tensor) -> None:
        """Overwrite w_ref of some runs."""
        self._clock.reference = torch.where(where.unsqueeze(1), w, self._clock.reference)


class RollBackSkipsTheClock(Watched):
    """A roll-back leaves the counter where it was, so that the next window has one iterate (minSQN)."""

    def _close_window(self, flat: FlatParameters) -> None:
        super()._close_window(flat)
        if bool(self.came_to(EventKind.ROLLED_BACK).any()):
            self._k -= 1


class SumKeptOverRollBack(Watched):
    """The window's sum is not zeroed by a roll-back (stochQN): the next average counts the refused one again."""

    def _close_window(self, flat: FlatParameters) -> None:
        total = self._clock.total.clone()
        super()._close_window(flat)
        back = self.came_to(EventKind.ROLLED_BACK)
        self._clock.total = torch.where(back.unsqueeze(1), total, self._clock.total)


class AveragesTheWrongIterates(QuasiNewton):
    """The first iterate of each window is left out of the sum, which is still divided by L."""

    def _accumulate(self, flat: FlatParameters) -> None:
        if self._k % self.recipe.cadence.every:
            super()._accumulate(flat)


class FirstPairTooEarly(QuasiNewton):
    """The initial point is taken for an average: the first pair comes at L, not at 2 L."""

    def _init_state(self) -> FlatParameters:
        flat = super()._init_state()
        self._clock.anchored.fill_(True)
        return flat


class RollBackAliases(Watched):
    """After a roll-back the parameters are the reference's memory: every later step moves both (climin's fork)."""

    def _close_window(self, flat: FlatParameters) -> None:
        super()._close_window(flat)
        if bool(self.came_to(EventKind.ROLLED_BACK).all()):
            for p, v in zip(flat.parameters, flat.views(self._clock.reference), strict=True):
                p.data = v


class RollBackToAverage(Watched):
    """A roll-back goes to the average that was refused."""

    def _roll_back(self, flat: FlatParameters, where: Tensor) -> None:
        super()._roll_back(flat, where)
        flat.scatter(self.last.w_bar, where & torch.isfinite(self.last.w_bar).all(1))


class RollBackDoesNothing(QuasiNewton):
    """A roll-back drops the pairs and leaves the parameters."""

    def _roll_back(self, flat: FlatParameters, where: Tensor) -> None:
        kept = flat.gather()
        super()._roll_back(flat, where)
        flat.scatter(kept, where)


class SkipMovesTheReference(Watched):
    """A skipped pair advances w_ref, which only always_advance asks for."""

    def _close_window(self, flat: FlatParameters) -> None:
        super()._close_window(flat)
        self.put_reference(self.last.w_bar, self.came_to(EventKind.SKIPPED))


class RollBackMovesTheReference(Watched):
    """A refused average becomes the reference all the same."""

    def _close_window(self, flat: FlatParameters) -> None:
        super()._close_window(flat)
        self.put_reference(self.last.w_bar, self.came_to(EventKind.ROLLED_BACK))


class ReferenceStays(Watched):
    """An admitted pair does not advance w_ref."""

    def _close_window(self, flat: FlatParameters) -> None:
        before = self._clock.reference.clone()
        super()._close_window(flat)
        self.put_reference(before, self.came_to(EventKind.ADMITTED))


class PairsSurviveRollBack(QuasiNewton):
    """A roll-back moves the parameters and keeps the pairs."""

    def _roll_back(self, flat: FlatParameters, where: Tensor) -> None:
        flat.scatter(self._clock.reference, where)


class RollBackResetsScaling(QuasiNewton):
    """A roll-back forgets H0's accumulator too."""

    def _roll_back(self, flat: FlatParameters, where: Tensor) -> None:
        super()._roll_back(flat, where)
        if bool(where.any()):
            self._states["scaling"] = self.recipe.scaling.init(flat.space)


class NanGradientEnters(QuasiNewton):
    """Nobody looks whether the gradient is finite (stochQN): one NaN poisons F and G for good."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        from adaqn_lab import linalg

        honest = linalg.all_finite
        linalg.all_finite = lambda v: torch.ones(v.shape[0], dtype=torch.bool)
        try:
            return super().step(closure)
        finally:
            linalg.all_finite = honest


class NanGradientMovesW(QuasiNewton):
    """A NaN in the gradient is taken for zero and the step is made with the rest."""

    def _gradient(self, flat: FlatParameters) -> Tensor:
        return torch.nan_to_num(super()._gradient(flat), nan=0.0, posinf=1.0, neginf=-1.0)


class WindowSumNotSaved(QuasiNewton):
    """A checkpoint has no window sum: the first average after loading is short of iterates."""

    def _restore(self, state: dict[Any, Any]) -> None:
        super()._restore(state)
        if self._flat is not None:
            self._clock.total.zero_()


class CounterNotSaved(QuasiNewton):
    """A checkpoint has no step count: the windows begin anew after loading."""

    def _restore(self, state: dict[Any, Any]) -> None:
        super()._restore(state)
        self._k = 0


class RunsLeakIntoTheSum(QuasiNewton):
    """Every run sums the mean iterate of all runs."""

    def _accumulate(self, flat: FlatParameters) -> None:
        before = self._clock.total.clone()
        super()._accumulate(flat)
        step = (self._clock.total - before).mean(0, keepdim=True)
        self._clock.total = before + step


class MonitorCalledUnasked(QuasiNewton):
    """Evaluates the monitor at every window, guard or no guard."""

    def _close_window(self, flat: FlatParameters) -> None:
        if self._closures["monitor"] is not None:
            self._closures["monitor"]()
        super()._close_window(flat)


class WeightDecayAfterStep(QuasiNewton):
    """Decays the parameters after the step, by the step's own rate: AdamW's, not SGD's."""

    def _gradient(self, flat: FlatParameters) -> Tensor:
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = 0.0
        g = super()._gradient(flat)
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        return g

    def _move(self, flat: FlatParameters, d: Tensor) -> None:
        super()._move(flat, d)
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])


class MaximizeIgnored(QuasiNewton):
    """Always descends."""

    def _gradient(self, flat: FlatParameters) -> Tensor:
        sign = -1.0 if self.param_groups[0]["maximize"] else 1.0
        return super()._gradient(flat) * sign


class OneLrForAllGroups(QuasiNewton):
    """The first group's rate for every group."""

    def _move(self, flat: FlatParameters, d: Tensor) -> None:
        for group in self.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        super()._move(flat, d)


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


_KINDS = (
    RollBackSkipsTheClock,
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
    NanGradientEnters,
    NanGradientMovesW,
    WindowSumNotSaved,
    CounterNotSaved,
    RunsLeakIntoTheSum,
    MonitorCalledUnasked,
    WeightDecayAfterStep,
    MaximizeIgnored,
    OneLrForAllGroups,
    ScalingSeesTheGradientLate,
    CapacityZeroHoldsOne,
)
_WRONG_PARTS = {
    sin: ADAQN.but(guard=GUARDS[sin]())
    for sin in ("nan_loss_accepted", "negative_bound", "reference_loss_of_rejected_window", "runs_share_the_guard")
}
METHODS: dict[str, Callable[[], Any]] = {
    **{sin_of(kind): (lambda kind=kind: Method(ADAQN, kind)) for kind in _KINDS},  # type: ignore[misc]
    **{sin: (lambda recipe=recipe: Method(recipe)) for sin, recipe in _WRONG_PARTS.items()},  # type: ignore[misc]
}
"""Sin -> factory of the method: adaQN by a wrong optimizer, or with a wrong part."""
