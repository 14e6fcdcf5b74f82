"""What the pair hook tells of a running optimizer: every pair once, as it was offered, with what its event says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from adaqn_lab import ADAQN, Displacement, EventKind, QuasiNewton, Verdict
from adaqn_lab.algorithm import Algorithm
from verification.compare import holds, same
from verification.law import Group, Subject, law
from verification.methods import Method
from verification.optimizer.loop import fitted
from verification.optimizer.mutants_of_loops import methods
from verification.side_by_side import Trainer, events_of
from verification.trainings import Training, trainings

TRIED = (EventKind.ADMITTED.name, EventKind.SKIPPED.name)
"""What a window comes to which offers a pair."""


class Hooked(Trainer):
    """A training with a hook. ``told``: by step what the last pair's event must say; ``kept``: tensors and copies."""

    def __init__(self, method: Method, case: Training) -> None:
        super().__init__(method, case)
        self.told: dict[int, tuple[Tensor, Verdict]] = {}
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.optimizer.register_pair_hook(self.hear)

    def hear(self, optimizer: QuasiNewton, move: Displacement, y: Tensor, verdict: Verdict) -> None:
        """Keep what is said, and write into what is said to be copies."""
        self.told[self.now] = move.where.clone(), verdict
        holds(move.s.shape == y.shape, f"the hook was given s {tuple(move.s.shape)} and y {tuple(y.shape)}")
        self.kept += [(x, x.clone()) for x in (move.s, move.w_bar, move.w_ref, y)]


@law(
    name="pair-hook",
    statement="a hook hears of every pair once, in copies, with the numbers of its event, and changes no bit",
    source="QuasiNewton.register_pair_hook: audits read training runs by it, and training must not know.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("hook_gets_the_live_vectors", "hook_hears_the_admitted", "watched_steps_are_shorter"),
    share=0.5,
    inputs=trainings(rich=True, max_runs=3, max_windows=5),
)
def pair_hook(method: Method, case: Training) -> None:
    """Beside a training without one."""
    method, case = fitted(method, case)
    plain, hooked = Trainer(method, case), Hooked(method, case)
    for k in range(1, case.steps + 1):
        plain.step(k)
        hooked.step(k)
    same(hooked.w, plain.w, "w of a training with a pair hook against one without")
    for now, then in hooked.kept:
        same(now, then, "a vector that a pair hook was given, after the training")
    _tells_the_events(hooked)


def _tells_the_events(hooked: Hooked) -> None:
    events = [e for e in events_of(hooked.optimizer) if e.kind in TRIED]
    expected = sorted({e.step for e in events})
    heard = [k for k, (where, _) in hooked.told.items() if bool(where.any())]
    holds(heard == expected, f"the hook heard of pairs at the steps {heard}, the events tell of pairs at {expected}")
    for e in events:
        where, verdict = hooked.told[e.step]
        holds(bool(where[e.run]), f"the pair of run {e.run} at step {e.step} was said to be none")
        for name, x in zip(("s_y", "s_s", "y_y"), e.scalars, strict=False):
            got = float(getattr(verdict, name)[e.run])
            holds(got == x or (got != got and x != x), f"{name} of run {e.run} at step {e.step}: {got}, its event: {x}")


# -- wrong optimizers ---------------------------------------------------------------------------------------------


class HookGetsTheLiveVectors(Algorithm):
    """No copies: the window's sum and the average are written to at the next step."""

    def _admit(self, move: Displacement, y: Tensor) -> Verdict:
        verdict = super()._admit(move, y)
        if self.tried:
            self.tried[-1] = (move, y, verdict)
        return verdict


class HookHearsTheAdmitted(Algorithm):
    """Pairs which were refused are not told."""

    def _admit(self, move: Displacement, y: Tensor) -> Verdict:
        verdict = super()._admit(move, y)
        if self.tried and not bool(verdict.admitted.any()):
            self.tried.pop()
        return verdict


class WatchedStepsAreShorter(Algorithm):
    """Where somebody listens pairs are made of halves."""

    def _admit(self, move: Displacement, y: Tensor) -> Verdict:
        half = 0.5 if self.tried is not None else 1.0
        return super()._admit(replace(move, s=move.s * half), y)


MUTANTS: dict[Subject, dict[str, Any]] = {
    Subject.RECIPE: methods(ADAQN, HookGetsTheLiveVectors, HookHearsTheAdmitted, WatchedStepsAreShorter)
}
LAWS = (pair_hook,)
