"""What belongs to the user: the memory of parameters and gradients, his callables and what they raise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import EventKind, Need
from verification.compare import holds, same
from verification.law import Group, Subject, law
from verification.methods import Method
from verification.optimizer import mutants_of_belongings as wrong
from verification.optimizer.loop import fitted
from verification.side_by_side import Trainer, events_of
from verification.trainings import Training, trainings

CASES = trainings(rich=True, max_runs=3, max_windows=5)
OTHERS = 2.0**70
"""What lies between the entries of a parameter, and is not the optimizer's."""


def _roomy(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x`` transposed in every second entry of a buffer; the buffer, and the view of it which is ``x``."""
    room = torch.full((*reversed(x.shape), 2), OTHERS, dtype=x.dtype)
    view = room[..., 0].permute(tuple(reversed(range(x.dim()))))
    view.copy_(x)
    return room, view


class Roomy(Trainer):
    """Parameters and gradients in the middle of buffers, which stay where they are; one more parameter has no entries.

    Every look through the buffers must be one at the parameters, inside the callables too. At every third step there
    is a call of ``step`` more, without any gradient.
    """

    def __init__(self, method: Method, case: Training) -> None:
        self.rooms: list[Tensor] = []
        self.gradients: dict[int, tuple[Tensor, Tensor]] = {}
        super().__init__(method, case)
        self.places = [p.data_ptr() for p in self.parameters]

    def _parameter(self, x: Tensor) -> torch.nn.Parameter:
        room, view = _roomy(x)
        self.rooms.append(room)
        return torch.nn.Parameter(view)

    def _gradient(self, p: Tensor, x: Tensor) -> Tensor:
        if id(p) not in self.gradients:
            self.gradients[id(p)] = _roomy(x)
        given = self.gradients[id(p)][1]
        return given.copy_(x)

    def evaluate(self, need: Need) -> tuple[Tensor, Tensor]:
        """The same, after a look through the buffers."""
        self.look(f"while the {need.argument} callable is asked")
        return super().evaluate(need)

    def look(self, when: str) -> None:
        """The parameters are where they were, and nobody wrote between their entries."""
        for index, (p, room) in enumerate(zip(self.parameters, self.rooms, strict=True)):
            seen = room[..., 0].permute(tuple(reversed(range(p.dim()))))
            same(seen, p, f"parameter {index} through the buffer in which it lies, {when}")
            holds(bool((room[..., 1] == OTHERS).all()), f"the entries beside those of parameter {index}, {when}")
        holds(self.places == [p.data_ptr() for p in self.parameters], f"a parameter has moved in memory, {when}")

    def step(self, k: int) -> None:
        """Step k; the gradients stay whose and what they were."""
        if k % 3 == 0:
            self._idle(k)
        super().step(k)
        self.look(f"after step {k}")
        raw = torch.split(self._raw, [int(np.prod(s)) for s in self.case.shapes], dim=1)
        for index, (p, g) in enumerate(zip(self.parameters, raw, strict=True)):
            if p.grad is not None:
                holds(p.grad is self.given[index], f".grad of parameter {index} after step {k} is another tensor")
                same(p.grad.reshape(g.shape), g, f".grad of parameter {index} after step {k}")

    def _set_gradients(self) -> None:
        self._raw = self.case.raw(self.w.detach(), self.now)
        super()._set_gradients()
        self.given = [p.grad for p in self.parameters]

    def _idle(self, k: int) -> None:
        for p in self.parameters:
            p.grad = None
        before, events = self.w.detach().clone(), repr(events_of(self.optimizer))
        self.optimizer.step()
        same(self.w, before, f"w after a call of step without gradients, before step {k}")
        after = repr(events_of(self.optimizer))
        holds(after == events, f"events after a call of step without gradients: {after}, expected {events}")


@law(
    name="any-layout",
    statement="parameters and gradients with strides inside buffers: the same bits as in memory of their own, no more",
    source="torch.optim's contract: parameters are views of what others hold; a call without gradients is no step.",
    group=Group.INVARIANCE,
    subject=Subject.RECIPE,
    kills=tuple(wrong.LAYOUTS),
    share=0.5,
    inputs=CASES,
)
def any_layout(method: Method, case: Training) -> None:
    """Beside an ordinary training of the same."""
    method, case = fitted(method, case)
    plain, roomy = Trainer(method, case), Roomy(method, case)
    for k in range(1, case.steps + 1):
        plain.step(k)
        roomy.step(k)
        same(roomy.w, plain.w, f"w after step {k} of parameters with strides against those in memory of their own")
    a, b = (repr(events_of(trainer.optimizer)) for trainer in (roomy, plain))
    holds(a == b, f"events of parameters with strides: {a}, expected {b}")


# -- callables that raise -----------------------------------------------------------------------------------------


class DownError(ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError):
    """What the user's callable raised: an error of every kind, for nobody but the user may handle it."""


class Troubled(Trainer):
    """A training in which the callables raise once, at their ``at``-th call, or at step 2 if that is later.

    What is asked at the start comes before the first step, which is not made then. ``raised``: at which step they did.
    """

    def __init__(self, method: Method, case: Training, at: int) -> None:
        self.at, self.calls, self.raised = at, 0, 0
        super().__init__(method, case)

    def evaluate(self, need: Need) -> tuple[Tensor, Tensor]:
        """The same, or DownError."""
        self.calls += 1
        if self.calls >= self.at and self.now > 1 and not self.raised:
            self.raised = self.now
            raise DownError
        return super().evaluate(need)


def _kept(calm: Trainer, step: int) -> list[int]:
    """The runs whose window with this last step was kept: who goes back late loses the step that came between."""
    events = events_of(calm.optimizer)
    gone = {e.run for e in events if e.step == step and e.kind == EventKind.ROLLED_BACK.name}
    return sorted({e.run for e in events} - gone)


@law(
    name="callable-raises",
    statement="a callable raises once: so does step(); w is no other, and kept windows come to the same bits later",
    source="QuasiNewton: the step was made and the window is decided at the next one; parameters keep every bit.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=tuple(wrong.TROUBLES),
    inputs=trainings(max_runs=3, max_windows=5),
)
def callable_raises(method: Method, case: Training) -> None:
    """Where what the callables say does not depend on the step: not pairs of the mini-batch at hand."""
    needs = {need for found in method.recipe.needs_by_role.values() for need in found}
    if needs & {Need.BATCH_GRADIENT, Need.OVERLAP_GRADIENT} or not needs:
        return
    method, case = fitted(method, case)
    calm, down = Trainer(method, case), Troubled(method, case, 2 + case.seed % 4)
    calms, downs = [], []
    for k in range(1, case.steps + 1):
        calm.step(k)
        told = False
        try:
            down.step(k)
        except DownError:
            told = True
        holds(told == (down.raised == k), f"step {k}: whether step() raised what the callable did: {told}")
        calms.append(calm.w.detach().clone())
        downs.append(down.w.detach().clone())
    if not 0 < down.raised < case.steps:
        return  # no call, or one whose window nobody decided later
    kept = _kept(calm, down.raised)
    for k in range(case.steps):
        what = f"w of the runs {kept} after step {k + 1}; a callable raised at step {down.raised}"
        same(downs[k][kept], calms[k][kept], what)
    a, b = ([e for e in events_of(trainer.optimizer) if e.run in kept] for trainer in (down, calm))
    holds(repr(a) == repr(b), f"events of the runs {kept}: {a}, expected {b}")


LAWS = (any_layout, callable_raises)
