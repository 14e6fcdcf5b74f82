"""A member of torch's family: the ordinary loop and what people put around it."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel
from torch.utils._pytree import tree_leaves

from adaqn_lab import ADAQN, Cadence, EventKind, Identity, MonitorIncrease, QuasiNewton
from tests.adaqn_lab.small import (
    NAMED,
    SHORT,
    VARIANTS,
    Loss,
    backward,
    bits,
    events,
    gpu,
    memory,
    needs_cuda,
    optimizer_for,
    same,
    same_memory,
    saved_entry,
    tagger,
    train,
)

FREE = SHORT["ADAQN"].but(guard=None)


@pytest.mark.parametrize("name", NAMED)
def test_the_ordinary_loop_learns(name):
    """The data are a cycle with 10 % noise; a uniform guess costs log 4."""
    model = tagger()
    lr = {"ADAQN": 0.1, "ADAQN_MINSQN": 0.02, "ADAQN_STOCHQN": 0.1}[name]
    optimizer = QuasiNewton(model.parameters(), NAMED[name], lr=lr, monitor=Loss(model))
    losses = train(model, optimizer, 300)
    assert torch.stack(losses[-10:]).mean() < 0.75 * math.log(4)
    assert any(event.kind is EventKind.ADMITTED for event in optimizer.events)


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_zero_grad_either_way_is_the_same(name, set_to_none):
    model, twin = tagger(), tagger()
    optimizer, other = optimizer_for(model, VARIANTS[name]), optimizer_for(twin, VARIANTS[name])
    for k in range(14):
        optimizer.zero_grad(set_to_none=set_to_none)
        Loss(model, k)().backward()
        optimizer.step()
        train(twin, other, 1, k)
    assert same(bits(model), bits(twin))
    assert events(optimizer) == events(other)


def test_clip_grad_norm():
    """Clipping by a loose bound changes nothing, by a tight one the step is as short as the clipped gradient."""
    model = tagger()
    optimizer = QuasiNewton(model.parameters(), FREE.but(scaling=Identity()), lr=1.0)
    before = bits(model)
    backward(model, 0)
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    assert norm > 1e-2
    optimizer.step()
    moved = torch.cat([(p - q).flatten() for p, q in zip(model.parameters(), before, strict=True)]).norm()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)


def scaled_training(device):
    """Train under a GradScaler with one overflow; return what is needed to judge it."""
    model, plain = tagger().to(device), tagger().to(device)
    optimizer, other = optimizer_for(model, SHORT["ADAQN"]), optimizer_for(plain, SHORT["ADAQN"])
    scaler = torch.amp.GradScaler(device, init_scale=2.0**10, growth_interval=1000)
    overflow = 7
    for k in range(20):
        optimizer.zero_grad()
        scaler.scale(Loss(model, k)()).backward()
        if k == overflow:
            model.out.bias.grad[0] = math.inf
            before, kept = bits(model), memory(optimizer)
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        if k == overflow:
            assert same(bits(model), before)
            assert same_memory(memory(optimizer), kept)
            assert scaler.get_scale() == 2.0**9
        else:
            train(plain, other, 1, k)
    assert same(bits(model), bits(plain))
    assert events(optimizer) == events(other)


def test_grad_scaler_on_cpu():
    """Scales are powers of two, so the run equals the unscaled run without the overflowing batch."""
    scaled_training("cpu")


@gpu
@needs_cuda
def test_grad_scaler_on_cuda():
    scaled_training("cuda")


def test_autocast():
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    for k in range(12):
        optimizer.zero_grad()
        # oneDNN has no LSTM in bfloat16 for processors without AVX-512 and raises; torch's own runs on all.
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.backends.mkldnn.flags(enabled=False):
            loss = Loss(model, k)()
        loss.backward()
        optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
    assert len(optimizer.events) == 4


def test_no_gradients_at_all_is_no_step():
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    before = bits(model)
    optimizer.step()
    assert same(bits(model), before)
    assert optimizer.state_dict()["state"] == {}
    train(model, optimizer, 7)
    before, kept, happened = bits(model), memory(optimizer), events(optimizer)
    optimizer.zero_grad(set_to_none=True)
    optimizer.step()
    assert same(bits(model), before)
    assert same_memory(memory(optimizer), kept)
    assert events(optimizer) == happened
    assert optimizer.step(lambda: 3.5) == 3.5


def test_the_closure_path_equals_the_ordinary_loop():
    model, twin = tagger(), tagger()
    optimizer, other = optimizer_for(model, SHORT["ADAQN"]), optimizer_for(twin, SHORT["ADAQN"])
    for k in range(14):
        with torch.no_grad():
            loss = optimizer.step(lambda k=k: torch.enable_grad()(backward)(model, k))
        (expected,) = train(twin, other, 1, k)
        assert torch.equal(loss, expected)
    assert same(bits(model), bits(twin))
    calls = []
    optimizer.step(lambda: calls.append(torch.is_grad_enabled()))
    assert calls == [True]


def test_hooks_run_in_order():
    model = tagger()
    optimizer = optimizer_for(model, FREE)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before step"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after step"))
    optimizer.register_state_dict_pre_hook(lambda *_: seen.append("before save"))
    optimizer.register_state_dict_post_hook(lambda *_: seen.append("after save"))
    optimizer.register_load_state_dict_pre_hook(lambda *_: seen.append("before load"))
    optimizer.register_load_state_dict_post_hook(lambda *_: seen.append("after load"))
    train(model, optimizer, 2)
    optimizer.load_state_dict(optimizer.state_dict())
    pairs = [["before step", "after step"]] * 2 + [["before save", "after save"], ["before load", "after load"]]
    assert seen == [name for pair in pairs for name in pair]


def test_a_group_added_before_the_first_step_is_as_good_as_one_from_the_start():
    model, twin = tagger(), tagger()
    optimizer = QuasiNewton(model.lstm.parameters(), FREE, lr=0.1)
    optimizer.add_param_group({"params": model.out.parameters(), "lr": 0.02})
    groups = [{"params": twin.lstm.parameters()}, {"params": twin.out.parameters(), "lr": 0.02}]
    other = QuasiNewton(groups, FREE, lr=0.1)
    train(model, optimizer, 13)
    train(twin, other, 13)
    assert same(bits(model), bits(twin))


def test_a_group_after_the_first_step_is_refused_with_the_reason():
    model = tagger()
    optimizer = QuasiNewton(model.lstm.parameters(), FREE, lr=0.1)
    train(model, optimizer, 1)
    with pytest.raises(RuntimeError, match=r"cannot be added after the first step: .*\.$"):
        optimizer.add_param_group({"params": model.out.parameters()})
    assert len(optimizer.param_groups) == 1
    train(model, optimizer, 5, 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_are_read_and_never_written_or_kept(name):
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.2, weight_decay=0.1, maximize=name == "ADAQN")
    for k in range(10):
        backward(model, k)
        grads = [p.grad for p in model.parameters()]
        old = [(g.clone(), g._version, g.data_ptr()) for g in grads]
        storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
        optimizer.step()
        for p, g, (value, version, pointer) in zip(model.parameters(), grads, old, strict=True):
            assert p.grad is g
            assert g._version == version
            assert g.data_ptr() == pointer
            assert torch.equal(g, value)
        tensors = [value for value in tree_leaves(saved_entry(optimizer)) if isinstance(value, torch.Tensor)]
        held = {t.untyped_storage().data_ptr() for t in tensors if t.numel()}
        assert not held & {g.untyped_storage().data_ptr() for g in grads}
        assert not held & storages
        assert {p.untyped_storage().data_ptr() for p in model.parameters()} == storages


def test_nothing_is_recorded_for_autograd():
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS["sqn"], lr=0.2)
    train(model, optimizer, 10)
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())
    assert not any(t.requires_grad for t in memory(optimizer).values())


def test_swa():
    """The average of the iterates is torch's own, beside the optimizer's windows."""
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    average = AveragedModel(model)
    seen = []
    for k in range(9):
        train(model, optimizer, 1, k)
        average.update_parameters(model)
        seen.append(bits(model))
    for i, p in enumerate(average.module.parameters()):
        torch.testing.assert_close(p.detach(), torch.stack([row[i] for row in seen]).mean(0))


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1)])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_warm_up_from_lr_zero_starts_without_a_move(name, lr):
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS[name], lr=lr if isinstance(lr, float) else lr.clone())
    scheduler = LambdaLR(optimizer, lambda k: min(max(k - 7, 0) / 4, 1.0))
    before = bits(model)
    for k in range(16):
        assert same(bits(model), before) == (k <= 8)
        train(model, optimizer, 1, k)
        scheduler.step()
    admitted = [event.step for event in optimizer.events if event.kind is EventKind.ADMITTED]
    assert min(admitted, default=99) > 7


def test_schedulers_which_set_lr_to_their_own_values():
    model = tagger()
    optimizer = optimizer_for(model, FREE, lr=0.1)
    schedulers = [OneCycleLR(optimizer, 0.2, total_steps=30, cycle_momentum=False), ReduceLROnPlateau(optimizer)]
    for k in range(20):
        (loss,) = train(model, optimizer, 1, k)
        schedulers[0].step()
        schedulers[1].step(loss)
    assert all(p.isfinite().all() for p in model.parameters())


def test_maximize_climbs_and_its_guard_watches_the_fall():
    """Maximizing f is minimizing -f: the same iterates, the same decisions."""
    up, down = tagger(), tagger()
    recipe = SHORT["ADAQN"].but(guard=MonitorIncrease(at_most=1.05), cadence=Cadence(every=2, from_start=True))

    def negative():
        return -Loss(down)()

    climber = QuasiNewton(up.parameters(), recipe, lr=0.02, monitor=Loss(up), maximize=True, weight_decay=0.01)
    descender = QuasiNewton(down.parameters(), recipe, lr=0.02, monitor=negative, weight_decay=0.01)
    for k in range(20):
        train(up, climber, 1, k)
        down.zero_grad()
        (-Loss(down, k)()).backward()
        descender.step()
    assert same(bits(up), bits(down))
    assert events(climber) == events(descender)
    assert Loss(up)() > Loss(tagger())()


def test_operator_before_the_first_step():
    optimizer = QuasiNewton(nn.Linear(2, 2).parameters(), ADAQN.but(guard=None), lr=0.1)
    with pytest.raises(RuntimeError, match=r"before the first step.*\.$"):
        optimizer.operator(torch.zeros(1, 6))
    assert optimizer.events == ()
    assert optimizer.oracle_calls == {}


def test_operator_is_what_a_step_applies():
    model = tagger()
    optimizer = optimizer_for(model, FREE, lr=0.5)
    train(model, optimizer, 11)
    before, kept = bits(model), memory(optimizer)
    backward(model, 11)
    g = torch.cat([p.grad.flatten() for p in model.parameters()]).unsqueeze(0)
    copied = copy.deepcopy(optimizer)
    optimizer.step()
    d = torch.cat([((p - q) / -0.5).flatten() for p, q in zip(model.parameters(), before, strict=True)])
    copied._recipe.scaling.observe_(copied._algorithm.states["scaling"], _step(g))
    torch.testing.assert_close(copied.operator(g)[0], d, rtol=1e-3, atol=1e-5)
    assert not same_memory(kept, memory(copied))


def _step(g):
    from adaqn_lab import Step

    return Step(1, g, torch.ones(1, dtype=torch.bool), lambda: g)


def test_the_printed_optimizer_shows_its_groups():
    optimizer = QuasiNewton(nn.Linear(2, 2).parameters(), FREE, lr=0.25)
    assert "QuasiNewton" in repr(optimizer)
    assert "lr: 0.25" in repr(optimizer)
