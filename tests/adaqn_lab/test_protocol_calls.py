"""What the optimizer tells its parts, and when: every argument that a part may rely on, seen by parts which listen."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from adaqn_lab import ADAQN, Cadence, Identity, QuasiNewton, Recipe, Verdict
from adaqn_lab.bases import GuardBase, MemoryBase, PairGeneratorBase, StepperBase
from adaqn_lab.protocols import Pair, Step

EVERY, RUNS, N = 3, 2, 4


@dataclasses.dataclass
class Scribble:
    """A listener's state, with what a guard's must have."""

    loss: torch.Tensor
    reference: torch.Tensor


class Listener:
    """Notes every call; ``log`` is shared."""

    def __init__(self, log, role):
        self.log, self.role = log, role

    def init(self, space):
        return Scribble(space.scalars(fill=5.0), space.scalars(fill=6.0))

    def told(self, what, state, *arguments):
        assert isinstance(state, Scribble)
        self.log.append((f"{self.role}.{what}", *arguments))


class Stepper(Listener, StepperBase):
    def direction_(self, state, step, operator):
        g = operator(step.g)
        self.told("direction", state, dataclasses.replace(step, g=step.g.clone()), operator, step.w())
        return g

    def rollback_(self, state, where):
        self.told("rollback", state, where.tolist())

    def advance_(self, state, where):
        self.told("advance", state, where.tolist())


class InPlace(Stepper):
    """Its direction is the gradient's own tensor, written over."""

    def direction_(self, state, step, operator):
        super().direction_(state, step, operator)
        return operator.apply_(step.g)


class Guard(Listener, GuardBase):
    keeps = (True, True)

    def judge_(self, state, move, oracle):
        kept = dataclasses.replace(move, **{n: getattr(move, n).clone() for n in ("s", "w_bar", "w_ref", "where")})
        self.told("judge", state, kept)
        return torch.tensor(self.keeps)

    def advance_(self, state, where):
        self.told("advance", state, where.tolist())


class Memory(Listener, MemoryBase):
    """Admits what ``admits`` says, one entry a pair."""

    admits = ((True, False),)

    def admit_(self, state, move, y, operator):
        count = sum(call[0] == "memory.admit" for call in self.log)
        self.told(
            "admit", state, move.s.clone(), y.clone(), move, operator, move.s.is_contiguous() and y.is_contiguous()
        )
        number = torch.full((RUNS,), float(count), dtype=torch.float64)
        return Verdict(torch.tensor(self.admits[count % len(self.admits)]), number, number, number)

    def apply_(self, state, v, h0):
        return h0.apply_(v)

    def reset_(self, state, where):
        self.told("reset", state, where.tolist())


class Pairs(Listener, PairGeneratorBase):
    """Makes what ``makes`` says of the move."""

    makes = staticmethod(lambda move: 2.0 * move.s)

    def pair_(self, state, move, oracle):
        self.told("pair", state, dataclasses.replace(move))
        return self.makes(move)

    def reset_(self, state, where):
        self.told("reset", state, where.tolist())


def listening(stepper=Stepper, from_start=False, **parts):
    """Parameters (2, 4), the optimizer and the log of its calls."""
    log = []
    roles = {"stepper": stepper(log, "stepper"), "guard": Guard(log, "guard")}
    roles |= {"memory": Memory(log, "memory"), "pairs": Pairs(log, "pairs")}
    recipe = Recipe(scaling=Identity(), cadence=Cadence(every=EVERY, from_start=from_start), **(roles | parts))
    w = nn.Parameter(torch.arange(8.0).view(RUNS, N))
    return w, QuasiNewton([w], recipe, lr=0.1, runs=RUNS), log


def walk(w, optimizer, steps, gradient=1.0, **options):
    """So many steps along a constant gradient."""
    for _ in range(steps):
        w.grad = torch.full_like(w, gradient)
        optimizer.step(**options)


def calls(log, *names):
    return [call for call in log if call[0] in names]


@pytest.mark.parametrize("value", [7.5, torch.tensor(7.5)])
def test_a_step_s_loss_is_minimised_as_its_gradient_is(value):
    """Under ``maximize`` both signs are flipped, and the caller gets what the closure returned."""
    w, optimizer, log = listening()
    optimizer.param_groups[0]["maximize"] = True
    returned = optimizer.step(lambda: setattr(w, "grad", torch.ones_like(w)) or value)
    assert returned is value
    ((_, step, *_),) = calls(log, "stepper.direction")
    assert (float(step.loss), step.g.unique().item()) == (-7.5, -1.0)


def test_a_step_says_its_number_its_gradient_where_we_are_and_the_closure_s_value():
    w, optimizer, log = listening()
    before = w.detach().clone()
    assert optimizer.step(lambda: setattr(w, "grad", torch.ones_like(w)) or 7.5) == 7.5
    walk(w, optimizer, 4)
    steps = calls(log, "stepper.direction")
    assert [step.k for _, step, *_ in steps] == [1, 2, 3, 4, 5]
    assert all(type(step.k) is int for _, step, *_ in steps)
    assert [step.place for _, step, *_ in steps] == [0, 1, 2, 0, 1]
    assert [step.last for _, step, *_ in steps] == [False, False, True, False, False]
    assert [step.loss for _, step, *_ in steps] == [7.5, None, None, None, None]
    assert torch.equal(steps[0][3], before)
    torch.testing.assert_close(steps[1][3], before - 0.1)
    for _, step, operator, _ in steps:
        assert isinstance(step, Step)
        assert torch.equal(step.g, torch.ones(RUNS, N))
        assert step.where.tolist() == [True, True]
        assert operator is optimizer.operator


def test_a_direction_may_be_the_gradient_s_own_tensor_or_another():
    for stepper in (Stepper, InPlace):
        w, optimizer, log = listening(stepper)
        walk(w, optimizer, 2)
        steps = calls(log, "stepper.direction")
        assert len(steps) == 2
        assert all(torch.equal(step.g, torch.ones(RUNS, N)) for _, step, *_ in steps)
        assert (w.grad == 1.0).all()
        torch.testing.assert_close(w.detach(), torch.arange(8.0).view(RUNS, N) - 0.2)


def test_a_gradient_or_direction_that_is_not_finite_stops_its_run_alone_and_its_memory_if_it_was_the_direction():
    w, optimizer, log = listening()
    w.grad = torch.ones_like(w)
    w.grad[0, 1] = torch.nan
    optimizer.step()
    ((_, step, *_),) = calls(log, "stepper.direction")
    assert step.where.tolist() == [False, True]
    assert not step.g[0].any()
    assert calls(log, "memory.reset") == [("memory.reset", [False, False])]
    torch.testing.assert_close(w.detach(), torch.arange(8.0).view(RUNS, N) - torch.tensor([[0.0], [0.1]]))

    class Wild(Stepper):
        def direction_(self, state, step, operator):
            return operator(step.g) * torch.tensor([[1.0], [torch.inf]])

    w, optimizer, log = listening(Wild)
    walk(w, optimizer, 1)
    assert calls(log, "memory.reset") == [("memory.reset", [False, True])]
    torch.testing.assert_close(w.detach(), torch.arange(8.0).view(RUNS, N) - torch.tensor([[0.1], [0.0]]))


def test_a_run_without_a_finite_gradient_stays_whatever_its_stepper_wants():
    class Onward(Stepper):
        def direction_(self, state, step, operator):
            return torch.ones_like(step.g)

    w, optimizer, _ = listening(Onward)
    before = w.detach().clone()
    w.grad = torch.ones_like(w)
    w.grad[0, 1] = torch.inf
    optimizer.step()
    torch.testing.assert_close(w.detach(), torch.stack([before[0], before[1] - 0.1]))


def test_the_guard_sees_the_window_s_displacement_and_who_has_a_reference():
    w, optimizer, log = listening()
    start = w.detach().clone()
    walk(w, optimizer, 2 * EVERY)
    first, second = (call[1] for call in calls(log, "guard.judge"))
    average = start - 0.1  # of start, start - 0.1, start - 0.2
    assert first.where.tolist() == [False, False]
    for move, reference, w_bar in ((first, start, average), (second, average, average - 0.3)):
        torch.testing.assert_close(move.w_ref, reference)
        torch.testing.assert_close(move.w_bar, w_bar)
        torch.testing.assert_close(move.s, w_bar - reference)
    assert second.where.tolist() == [True, True]


def test_from_start_the_guard_judges_the_initial_point_first():
    w, optimizer, log = listening(from_start=True)
    start = w.detach().clone()
    walk(w, optimizer, 1)
    (name, move), advance = calls(log, "guard.judge", "guard.advance")
    assert (name, advance) == ("guard.judge", ("guard.advance", [True, True]))
    assert move.where.tolist() == [False, False]
    for point in (move.s, move.w_bar, move.w_ref):
        assert torch.equal(point, start)
    walk(w, optimizer, EVERY - 1)
    assert calls(log, "guard.judge")[1][1].where.tolist() == [True, True]
    for without in ({"guard": None}, {}):
        w, optimizer, log = listening(from_start="guard" in without, **without)
        walk(w, optimizer, 1)
        assert calls(log, "guard.judge", "guard.advance") == []


def test_pairs_are_made_for_runs_with_a_reference_that_were_kept():
    w, optimizer, log = listening()
    Guard.keeps = (True, True)
    walk(w, optimizer, EVERY)
    assert calls(log, "pairs.pair")[0][1].where.tolist() == [False, False]
    try:
        Guard.keeps = (False, True)
        walk(w, optimizer, EVERY)
    finally:
        Guard.keeps = (True, True)
    move = calls(log, "pairs.pair")[1][1]
    assert move.where.tolist() == [False, True]
    assert move.w_ref is optimizer._algorithm.clock.reference
    ((_, s, y, told, operator, _),) = calls(log, "memory.admit")[1:]
    assert torch.equal(y, 2.0 * s)
    assert told.where.tolist() == [False, True]
    for name in ("w_bar", "w_ref"):
        assert getattr(told, name) is getattr(move, name)
    assert operator is optimizer.operator


def test_who_advances_and_who_rolls_back_is_told_to_guard_stepper_memory_and_pairs():
    w, optimizer, log = listening()
    walk(w, optimizer, EVERY)
    # Nobody had a reference: both runs advance whatever the memory said.
    assert calls(log, "guard.advance", "stepper.advance") == [
        ("guard.advance", [True, True]),
        ("stepper.advance", [True, True]),
    ]
    log.clear()
    walk(w, optimizer, EVERY)  # the memory admits run 0 alone
    assert calls(log, "guard.advance", "stepper.advance") == [
        ("guard.advance", [True, False]),
        ("stepper.advance", [True, False]),
    ]
    assert calls(log, "stepper.rollback") == [("stepper.rollback", [False, False])]
    log.clear()
    try:
        Guard.keeps = (False, True)
        walk(w, optimizer, EVERY)
    finally:
        Guard.keeps = (True, True)
    assert calls(log, "stepper.rollback", "pairs.reset") == [
        ("stepper.rollback", [True, False]),
        ("pairs.reset", [True, False]),
    ]
    assert calls(log, "memory.reset")[-1] == ("memory.reset", [True, False])
    assert [event.kind.name for event in optimizer.events[-2:]] == ["ROLLED_BACK", "SKIPPED"]


def test_parts_with_the_bases_defaults_alone_do_nothing():
    class Signs(StepperBase):
        def direction_(self, state, step, operator):
            return step.g.sign_()

    class Keeping(GuardBase):
        def init(self, space):
            return Scribble(space.scalars(), space.scalars())

        def judge_(self, state, move, oracle):
            return torch.ones_like(move.where)

    w, optimizer, _ = listening(lambda log, role: Signs(), guard=Keeping())
    assert optimizer.recipe.guard.clear_store is True
    assert optimizer.recipe.needs == frozenset()
    walk(w, optimizer, 2 * EVERY, gradient=7.0)
    assert len(optimizer.events) == 2 * RUNS
    torch.testing.assert_close(w.detach(), torch.arange(8.0).view(RUNS, N) - 0.6)


def test_the_events_tell_what_the_guard_s_state_says():
    w, optimizer, _ = listening()
    walk(w, optimizer, EVERY)
    assert [(event.loss, event.reference) for event in optimizer.events] == [(5.0, 6.0)] * RUNS


@pytest.mark.parametrize("renews", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_displacements_of_the_generator_s_own_go_to_the_memory_in_their_order(renews, several):
    w, optimizer, log = listening()
    s = torch.arange(16.0).view(2, RUNS, N).transpose(0, 1) if several else torch.arange(8.0).view(RUNS, N)
    optimizer.recipe.pairs.makes = lambda move: Pair(s, 3.0 * s, renews)
    optimizer.recipe.memory.admits = ((True, False), (False, False)) if several else ((True, False),)
    walk(w, optimizer, EVERY)
    log.clear()
    walk(w, optimizer, EVERY)
    admitted = calls(log, "memory.admit")
    expected = list(s.unbind(1)) if several else [s]
    assert len(admitted) == len(expected)
    move = calls(log, "pairs.pair")[0][1]
    for (_, got, y, told, operator, contiguous), each in zip(admitted, expected, strict=True):
        assert torch.equal(got, each)
        assert torch.equal(y, 3.0 * each)
        assert contiguous
        assert told.where.tolist() == [True, True]
        assert told.w_bar is move.w_bar
        assert operator is optimizer.operator
    resets = [call for call in calls(log, "memory.reset") if call[1] == [True, True]]
    assert len(resets) == (1 if renews else 0)
    # Admitted if any of the pairs was; the numbers are the last one's.
    events = optimizer.events[-RUNS:]
    assert [event.kind.name for event in events] == ["ADMITTED", "SKIPPED"]
    assert [event.s_y for event in events] == [float(len(expected) - 1)] * RUNS


def test_as_many_s_as_y():
    w, optimizer, _ = listening()
    ones = torch.ones(RUNS, 3, N)
    optimizer.recipe.pairs.makes = lambda move: Pair(ones, ones[:, :2])
    with pytest.raises(ValueError, match="zip"):
        walk(w, optimizer, EVERY)


def test_without_pairs_h_is_h0_and_a_window_has_no_numbers():
    recipe = ADAQN.but(pairs=None, guard=None, cadence=Cadence(every=EVERY))
    w = nn.Parameter(torch.ones(3))
    optimizer = QuasiNewton([w], recipe, lr=0.1)
    walk(w, optimizer, 2 * EVERY)
    assert optimizer.operator.without_pairs is True
    for event in optimizer.events:
        assert event.kind.name == "REFERENCE"
        assert math.isnan(event.s_y)
    optimizer = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1)
    optimizer.step()
    assert optimizer.operator.without_pairs is False


def test_the_vectors_of_every_step_have_kept_views():
    w, optimizer, _ = listening()
    walk(w, optimizer, 1)
    own = optimizer._algorithm
    for vector in (own.vector, own.clock.total, own.clock.reference):
        assert own.flat.views(vector) is own.flat.views(vector)
    assert own.clock.marks.dtype == torch.bool
