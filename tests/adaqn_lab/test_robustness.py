"""What is not finite costs one step or one window, is recorded, and enters nothing."""

import copy
import math

import pytest
import torch

from adaqn_lab import ADAQN, Cadence, EventKind, Identity, MonitorIncrease, QuasiNewton
from tests.adaqn_lab.small import (
    SHORT,
    VARIANTS,
    Loss,
    backward,
    bits,
    events,
    memory,
    optimizer_for,
    same,
    same_memory,
    tagger,
    train,
)

BAD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "huge": 1e30}


@pytest.mark.parametrize("k", [0, 4, 8])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_bad_gradient_costs_exactly_its_step(name, bad, k):
    """Parameters and the parts' states keep every bit; only the clock goes on."""
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.1, weight_decay=0.01)
    train(model, optimizer, k)
    every = VARIANTS[name].cadence.every
    closes = (k + 1) % every == 0
    backward(model, k)
    model.lstm.weight_ih_l0.grad[2, 1] = BAD[bad]
    before, kept = bits(model), memory(optimizer) if k else {}
    optimizer.step()
    skipped = [event for event in optimizer.events if event.kind is EventKind.STEP_SKIPPED]
    assert [(event.step, event.run, event.reason) for event in skipped] == [(k + 1, 0, "the gradient was not finite")]
    if not closes:
        assert same(bits(model), before)
        now = memory(optimizer)
        assert same_memory(
            {key: t for key, t in now.items() if not key.startswith("clock.")},
            {key: t for key, t in kept.items() if not key.startswith("clock.")} if k else _fresh(name),
        )
    train(model, optimizer, 12, k + 1)
    assert all(p.isfinite().all() for p in model.parameters())
    guard = {"guard.loss", "guard.reference"}
    assert all(t.isfinite().all() for key, t in memory(optimizer).items() if key not in guard)
    assert len([event for event in optimizer.events if event.kind is EventKind.STEP_SKIPPED]) == 1


def _fresh(name):
    """The parts' states before any gradient."""
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS[name])
    if VARIANTS[name].cadence.from_start and VARIANTS[name].guard is not None:
        backward(model, 0)
        model.lstm.weight_ih_l0.grad.fill_(math.nan)
        optimizer.step()
    else:
        optimizer._algorithm = optimizer._init_state()
    return {key: t for key, t in memory(optimizer).items() if not key.startswith("clock.")}


@pytest.mark.parametrize("value", [1e15, 1e18, 1e19, 3e19, 1e25, 3e38])
def test_huge_but_finite_gradients_never_leave_anything_that_is_not_finite(value):
    """Twenty in a row: AdaGrad's sum, the products of the Fisher store and the step itself could overflow."""
    for name in VARIANTS:
        model = tagger()
        optimizer = optimizer_for(model, VARIANTS[name], lr=0.1)
        for k in range(20):
            backward(model, k)
            model.out.bias.grad.fill_(value)
            optimizer.step()
        assert all(p.isfinite().all() for p in model.parameters()), name
        tensors = {key: t for key, t in memory(optimizer).items() if not key.startswith("guard.")}
        assert all(t.isfinite().all() for t in tensors.values()), (
            name,
            [k for k, t in tensors.items() if not t.isfinite().all()],
        )


def test_a_direction_that_is_not_finite_costs_its_step_and_the_pairs():
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"].but(guard=None))
    train(model, optimizer, 10)
    history = optimizer._algorithm.states["memory"]
    assert history.count.item() > 0
    history.inverse.fill_(math.inf)
    before = bits(model)
    train(model, optimizer, 1, 10)
    assert same(bits(model), before)
    assert history.count.item() == 0
    last = optimizer.events[-1]
    assert (last.step, last.kind, last.reason) == (11, EventKind.STEP_SKIPPED, "the direction was not finite")
    train(model, optimizer, 1, 11)
    assert not same(bits(model), before)


class Scripted:
    """The monitor loss by a list, one value a call; the last one from then on."""

    def __init__(self, *values):
        self.values = list(values)
        self.seen = 0

    def __call__(self):
        value = self.values[min(self.seen, len(self.values) - 1)]
        self.seen += 1
        if isinstance(value, Exception):
            raise value
        return value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["ADAQN", "ADAQN_MINSQN", "ADAQN_STOCHQN"])
def test_a_monitor_loss_that_is_not_finite_costs_the_window(name, bad):
    model = tagger()
    calls = 2 if VARIANTS[name].guard.reevaluate else 1
    monitor = Scripted(*[1.0] * (2 * calls + calls - 1), bad, 1.0)
    optimizer = QuasiNewton(model.parameters(), SHORT[name], lr=0.05, monitor=monitor)
    train(model, optimizer, 6)
    reference = memory(optimizer)["clock.reference"]
    train(model, optimizer, 3, 6)
    assert [event.kind for event in optimizer.events][2:] == [EventKind.ROLLED_BACK]
    assert optimizer.events[-1].reason == "the average or its monitor loss was not finite"
    assert torch.equal(torch.cat([p.flatten() for p in model.parameters()]), reference[0])
    assert memory(optimizer)["memory.count"].item() == 0
    train(model, optimizer, 6, 9)
    assert [event.kind for event in optimizer.events][3:] == [EventKind.ADMITTED] * 2


@pytest.mark.parametrize("name", [name for name, recipe in VARIANTS.items() if recipe.guard is not None])
def test_a_roll_back_restores_every_bit_and_leaves_the_reference_alone(name):
    model = tagger()
    recipe = VARIANTS[name]
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.05, monitor=Scripted(1.0), curvature=Loss(model, -2))
    every = recipe.cadence.every
    train(model, optimizer, 3 * every)
    reference = memory(optimizer)["clock.reference"]
    optimizer._algorithm.oracle._closures["monitor"].values = [1.0, 5.0] if recipe.guard.reevaluate else [5.0]
    optimizer._algorithm.oracle._closures["monitor"].seen = 0
    train(model, optimizer, every, 3 * every)
    assert optimizer.events[-1].kind is EventKind.ROLLED_BACK
    assert optimizer.events[-1].loss == 5.0
    assert optimizer.events[-1].reference == 1.0
    assert torch.equal(torch.cat([p.flatten() for p in model.parameters()]), reference[0])
    now = memory(optimizer)
    assert torch.equal(now["clock.reference"], reference)
    assert not now["clock.total"].any()
    assert now["memory.count"].item() == 0
    if "pairs.count" in now:
        assert (now["pairs.count"].item() == 0) == recipe.guard.clear_store
    if every > 1:
        train(model, optimizer, every - 1, 4 * every)
        assert torch.equal(memory(optimizer)["clock.reference"], reference)
        assert not torch.equal(torch.cat([p.flatten() for p in model.parameters()]), reference[0])


def test_before_there_is_an_average_a_roll_back_goes_to_the_initial_point():
    model = tagger()
    start = bits(model)
    optimizer = QuasiNewton(model.parameters(), SHORT["ADAQN"], lr=0.05, monitor=Scripted(math.nan, 1.0))
    train(model, optimizer, 3)
    assert same(bits(model), start)
    train(model, optimizer, 6, 3)
    assert [event.kind for event in optimizer.events] == [
        EventKind.ROLLED_BACK,
        EventKind.REFERENCE,
        EventKind.ADMITTED,
    ]


def test_parameters_which_became_nan_elsewhere_come_back():
    """Somebody else spoils the parameters; the window is rolled back to the reference, not to NaN."""
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"].but(guard=None))
    train(model, optimizer, 7)
    model.out.bias.data[0] = math.nan
    train(model, optimizer, 2, 7)
    assert optimizer.events[-1].kind is EventKind.ROLLED_BACK
    assert all(p.isfinite().all() for p in model.parameters())
    before = bits(model)
    train(model, optimizer, 6, 9)
    assert not same(bits(model), before)


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("name", ["ADAQN", "ADAQN_MINSQN", "every step", "sqn"])
def test_a_monitor_that_raises_leaves_a_state_in_which_training_goes_on(name, call):
    model = tagger()
    monitor = Scripted(*[1.0] * (call - 1), OSError("no data"), 1.0)
    optimizer = QuasiNewton(model.parameters(), VARIANTS[name], lr=0.05, monitor=monitor, curvature=Loss(model, -2))
    raised = 0
    for k in range(18):
        before = bits(model)
        backward(model, k)
        try:
            optimizer.step()
        except OSError:
            raised += 1
            assert all(p.isfinite().all() for p in model.parameters())
            copied = copy.deepcopy((model, optimizer))
            copied[1].load_state_dict(optimizer.state_dict())
    assert raised == 1
    kinds = [event.kind for event in optimizer.events]
    assert EventKind.ROLLED_BACK not in kinds
    assert EventKind.ADMITTED in kinds
    assert not same(bits(model), before)
    # The step was made, but for one which was to make the state; its window was decided at the next.
    at_the_start = VARIANTS[name].cadence.from_start and call == 1
    assert optimizer._algorithm.k == (17 if at_the_start else 18)
    every = VARIANTS[name].cadence.every
    assert [event.step for event in optimizer.events] == list(range(every, optimizer._algorithm.k + 1, every))


def test_a_monitor_that_raises_does_not_lose_the_skipped_steps_of_its_window():
    model = tagger()
    monitor = Scripted(1.0, OSError("no data"), 1.0)
    optimizer = QuasiNewton(model.parameters(), SHORT["ADAQN"], lr=0.05, monitor=monitor)
    train(model, optimizer, 4)
    backward(model, 4)
    model.out.bias.grad.fill_(math.nan)
    optimizer.step()
    with pytest.raises(OSError, match="no data"):
        train(model, optimizer, 1, 5)
    assert [event.step for event in optimizer.events] == [3, 5]  # not decided yet
    train(model, optimizer, 3, 6)
    assert [(event.step, event.kind) for event in optimizer.events] == [
        (3, EventKind.REFERENCE),
        (5, EventKind.STEP_SKIPPED),
        (6, EventKind.ADMITTED),
        (9, EventKind.ADMITTED),
    ]


@pytest.mark.parametrize("name", ["monitor", "curvature"])
def test_a_callable_which_returns_a_wrong_shape(name):
    model = tagger()
    closures = {"monitor": Loss(model), "curvature": Loss(model)}
    closures[name] = lambda: torch.zeros(4)
    optimizer = QuasiNewton(model.parameters(), VARIANTS["sqn"], lr=0.1, **closures)
    with pytest.raises(ValueError, match=rf"^The {name} callable returned shape \(4,\); [^\n]*\.$"):
        train(model, optimizer, 3)


def test_a_monitor_may_return_a_float_and_sees_the_average():
    """It is evaluated at the mean of the window's iterates, and the parameters come back after it."""
    model = tagger()
    seen = []

    def monitor():
        seen.append(bits(model))
        return 1.0

    optimizer = QuasiNewton(model.parameters(), SHORT["ADAQN_STOCHQN"], lr=0.05, monitor=monitor)
    iterates = []
    for k in range(3):
        train(model, optimizer, 1, k)
        iterates.append(bits(model))
    assert len(seen) == 1
    for i, p in enumerate(seen[0]):
        torch.testing.assert_close(p, torch.stack([w[i] for w in iterates]).mean(0))
    assert same(bits(model), iterates[-1])
    assert optimizer.oracle_calls == {"monitor": 1}


def test_the_guard_keeps_negative_losses_which_fall():
    model = tagger()
    optimizer = QuasiNewton(model.parameters(), SHORT["ADAQN"], lr=0.05, monitor=Scripted(-1.0, -1.005, -0.99))
    train(model, optimizer, 9)
    kinds = [event.kind for event in optimizer.events]
    assert kinds == [EventKind.REFERENCE, EventKind.ADMITTED, EventKind.ROLLED_BACK]


def test_identity_with_an_absurd_rate_stays_finite():
    """The guard catches what lr = 1e6 does."""
    model = tagger()
    recipe = SHORT["ADAQN"].but(scaling=Identity(), guard=MonitorIncrease(), cadence=Cadence(every=2))
    optimizer = QuasiNewton(model.parameters(), recipe, lr=1e30, monitor=Loss(model))
    train(model, optimizer, 20)
    assert all(p.isfinite().all() for p in model.parameters())


def test_events_are_in_order_and_count_windows():
    model = tagger()
    optimizer = QuasiNewton(model.parameters(), ADAQN, lr=0.1, monitor=Loss(model))
    for k in range(65):
        backward(model, k)
        if k in (3, 19, 20, 64):
            model.out.bias.grad.fill_(math.inf)
        optimizer.step()
    assert [(event.step, event.kind is EventKind.STEP_SKIPPED) for event in optimizer.events] == [
        (4, True),
        (20, True),
        (20, False),
        (21, True),
        (40, False),
        (60, False),
        (65, True),
    ]
    assert events(optimizer) == events(optimizer)
