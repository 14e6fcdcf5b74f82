"""Guards: what is kept, what rolls back, and when the reference loss moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Displacement, Need, Space
from verification.compare import holds, same
from verification.law import Factory, Group, Property, Subject, law

MONITOR_BOUND = Property(
    "monitor bound",
    "keep iff f(w_bar) <= f(w_ref) + (at_most - 1) |f(w_ref)| + slack.",
    fields=(
        "at_most",
        "slack",
    ),
)


ASKS = Property(
    "asks for losses",
    "The guard judges by the monitor's losses; one whose `needs` has MONITOR_LOSS says so by that.",
    fields=("needs",),
)


def asks(guard: Any) -> bool:
    """Whether it asks for the monitor's losses."""
    return Need.MONITOR_LOSS in guard.needs


FINITE = (1.0, 100.0, 0.0, -1.0, -100.0, 1e-3, 0.999, 1.009, 1.011, 1e6)
BAD = (math.nan, math.inf, -math.inf)


@dataclass(frozen=True)
class GuardCase:
    """Per window and run: the monitor loss at the average, and whether the window then became the reference.

    ``losses[0]`` are those of the first reference. The runs outside ``masks`` have no reference yet.
    """

    losses: tuple[tuple[float, ...], ...]
    advances: tuple[tuple[bool, ...], ...]

    @property
    def runs(self) -> int:
        """R."""
        return len(self.losses[0])


@st.composite
def guard_cases(draw: st.DrawFn, values: tuple[float, ...] = FINITE + BAD) -> GuardCase:
    """One to three runs, one to four windows after the first reference."""
    runs, windows = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    first = tuple(draw(st.sampled_from(FINITE)) for _ in range(runs))
    rest = tuple(tuple(draw(st.sampled_from(values)) for _ in range(runs)) for _ in range(windows))
    advances = tuple(tuple(draw(st.booleans()) for _ in range(runs)) for _ in range(windows))
    return GuardCase((first, *rest), advances)


class _Losses:
    """An oracle on points which are numbers: each point's coordinate is its window's index."""

    def __init__(self, case: GuardCase) -> None:
        self.table = torch.tensor(case.losses, dtype=torch.float64)

    def loss(self, w: Tensor) -> Tensor:
        """The loss that the case gives to the window whose index is ``w``."""
        return self.table.gather(0, w.long().T).squeeze(0)

    def grow(self) -> None:
        """From now on every loss is twice what it was."""
        self.table = 2 * self.table

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """Not there."""
        raise AssertionError("a guard asked for a Hessian-vector product; it may ask for losses only")


def judged(factory: Factory, case: GuardCase) -> list[tuple[Tensor, Tensor, Tensor]]:
    """(keep, loss, reference loss) of each window, with references advanced as the case says where kept."""
    guard, space = factory(), Space(case.runs, 1, torch.float64)
    state, oracle, everyone = guard.init(space), _Losses(case), space.mask(True)
    w_ref = space.zeros()
    guard.judge_(state, Displacement(w_ref, w_ref, w_ref, space.mask(False)), oracle)
    guard.advance_(state, everyone)
    found = []
    for window, advances in enumerate(case.advances, start=1):
        w_bar = torch.full_like(w_ref, window)
        keep = guard.judge_(state, Displacement(w_bar - w_ref, w_bar, w_ref.clone(), everyone), oracle)
        reference = oracle.loss(w_ref)
        found.append((keep.clone(), oracle.loss(w_bar), reference))
        moved = keep & torch.tensor(advances)
        guard.advance_(state, moved)
        w_ref = torch.where(moved.unsqueeze(1), w_bar, w_ref)
    return found


@law(
    name="guard-of-a-changing-monitor",
    statement="all losses double at each window: state.reference is f(w_ref) of the window that made it the reference, "
    "with `reevaluate` that of now",
    source="MonitorIncrease: the kept value belongs to the point kept, unless it is evaluated anew.",
    group=Group.REFERENCE,
    subject=Subject.GUARD,
    kills=("renews_new_references_only", "keeps_the_old_value_for_reevaluating"),
    needs=(MONITOR_BOUND,),
    inputs=guard_cases(values=FINITE),
)
def changing_monitor(factory: Factory, case: GuardCase) -> None:
    """Other data at every window; a guard without such a field may do either."""
    guard, space = factory(), Space(case.runs, 1, torch.float64)
    state, oracle, everyone = guard.init(space), _Losses(case), space.mask(True)
    w_ref = space.zeros()
    guard.judge_(state, Displacement(w_ref, w_ref, w_ref, space.mask(False)), oracle)
    guard.advance_(state, everyone)
    then, renews = oracle.loss(w_ref), getattr(guard, "reevaluate", None)
    for window, advances in enumerate(case.advances, start=1):
        oracle.grow()
        w_bar, now = torch.full_like(w_ref, window), oracle.loss(w_ref)
        keep = guard.judge_(state, Displacement(w_bar - w_ref, w_bar, w_ref.clone(), everyone), oracle)
        expected = now if renews or (renews is None and torch.equal(state.reference, now)) else then
        same(state.reference, expected, f"state.reference at window {window}, {then.tolist()} when it was taken")
        moved = keep & torch.tensor(advances)
        guard.advance_(state, moved)
        then = torch.where(moved, oracle.loss(w_bar), then)
        w_ref = torch.where(moved.unsqueeze(1), w_bar, w_ref)


@law(
    name="guard-refuses-bad-losses",
    statement="a NaN or infinite loss: roll back",
    source="Every comparison with NaN is false: keep iff a comparison is true.",
    group=Group.CONTRACT,
    subject=Subject.GUARD,
    kills=("nan_loss_accepted", "rejects_iff_true"),
    needs=(ASKS,),
    inputs=guard_cases(),
)
def refuses_bad_losses(factory: Factory, case: GuardCase) -> None:
    """What is no number is no improvement."""
    for window, (keep, loss, _) in enumerate(judged(factory, case), start=1):
        bad = ~torch.isfinite(loss)
        holds(not (keep & bad).any(), f"window {window} with losses {loss.tolist()} was kept: {keep.tolist()}")


@law(
    name="guard-keeps-equal-losses",
    statement="f(w_bar) <= f(w_ref): keep, whatever the sign of the losses",
    source="Not an increase. With f(w_ref) < 0 the naive bound 1.01 f(w_ref) is below f(w_ref).",
    group=Group.CONTRACT,
    subject=Subject.GUARD,
    kills=("negative_bound", "strict_comparison"),
    needs=(MONITOR_BOUND,),
    inputs=guard_cases(values=FINITE),
)
def keeps_equal_losses(factory: Factory, case: GuardCase) -> None:
    """Standing still is no increase; a rule of sufficient decrease refuses it, and does not declare the bound."""
    for window, (keep, loss, reference) in enumerate(judged(factory, case), start=1):
        fine = loss <= reference
        text = f"window {window}: losses {loss.tolist()}, references {reference.tolist()}, kept {keep.tolist()}"
        holds(not (fine & ~keep).any(), text)


@law(
    name="guard-bound",
    statement="keep iff f(w_bar) <= f(w_ref) + (at_most - 1)|f(w_ref)| + slack, f(w_ref) that of the point kept",
    source="Keskar & Berahas 2016 (factor 1.01). stochQN's reference loss moved without the reference.",
    group=Group.REFERENCE,
    subject=Subject.GUARD,
    kills=("negative_bound", "reference_loss_of_rejected_window", "nan_loss_accepted", "guard_forgets_mask"),
    needs=(MONITOR_BOUND,),
    inputs=guard_cases(),
)
def bound(factory: Factory, case: GuardCase) -> None:
    """The bound belongs to the reference."""
    guard = factory()
    for window, (keep, loss, reference) in enumerate(judged(factory, case), start=1):
        limit = reference + (guard.at_most - 1.0) * reference.abs() + guard.slack
        expected = torch.isfinite(loss) & (loss <= limit)
        same(keep, expected, f"window {window}, losses {loss.tolist()}, references {reference.tolist()}: kept")


@law(
    name="guard-runs",
    statement="R runs together = each run alone",
    source="Runs never influence each other.",
    group=Group.INVARIANCE,
    subject=Subject.GUARD,
    kills=("runs_share_the_guard", "best_of_all_runs"),
    inputs=guard_cases(),
)
def guard_runs(factory: Factory, case: GuardCase) -> None:
    """One run's increase is not another's."""
    together = judged(factory, case)
    for run in range(case.runs):
        rows = tuple((row[run],) for row in case.losses)
        advances = tuple((row[run],) for row in case.advances)
        for window, (keep, _, _) in enumerate(judged(factory, GuardCase(rows, advances))):
            same(together[window][0][run], keep[0], f"keep of run {run} in window {window + 1} against it alone")


LAWS = (changing_monitor, refuses_bad_losses, keeps_equal_losses, bound, guard_runs)
