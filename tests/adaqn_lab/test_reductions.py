"""With no pairs the method is what is already known, bit for bit."""

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR

from adaqn_lab import ADAQN, AdaGrad, EmpiricalFisher, Identity, QuasiNewton, RMSProp, Window
from tests.adaqn_lab.small import Loss, backward, bits, same, tagger, train

PLAIN = ADAQN.but(guard=None, scaling=Identity())
NO_PAIRS = {
    "pairs=None": PLAIN.but(pairs=None),
    "capacity=0": PLAIN.but(pairs=EmpiricalFisher(window=5), memory=Window(capacity=0)),
}
SCHEDULERS = {
    "constant": lambda optimizer: None,
    "steps": lambda optimizer: StepLR(optimizer, step_size=7, gamma=0.7),
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, T_max=50),
}
OPTIONS = {
    "lr": {"lr": 0.3},
    "weight decay": {"lr": 0.3, "weight_decay": 0.01},
    "maximize": {"lr": 0.01, "maximize": True},
    "maximize, weight decay": {"lr": 0.01, "maximize": True, "weight_decay": 0.1},
    "tensor lr": {"lr": torch.tensor(2.0**-2)},
    "tensor lr, weight decay": {"lr": torch.tensor(2.0**-3), "weight_decay": 0.01},
}


def grouped(model, **second):
    return [{"params": model.lstm.parameters()}, {"params": model.out.parameters(), **second}]


def run_both(recipe, options, *, scheduler="constant", dtype=torch.float32, params=lambda m: m.parameters(), steps=50):
    """Train the same model by torch.optim.SGD and by ``recipe``; yield both after every step."""
    ours, theirs = tagger(dtype=dtype), tagger(dtype=dtype)
    ours_by = QuasiNewton(params(ours), recipe, **options)
    theirs_by = torch.optim.SGD(params(theirs), **options)
    schedulers = [SCHEDULERS[scheduler](ours_by), SCHEDULERS[scheduler](theirs_by)]
    for k in range(steps):
        train(ours, ours_by, 1, k)
        train(theirs, theirs_by, 1, k)
        for s in schedulers:
            if s is not None:
                s.step()
        yield ours, theirs


@pytest.mark.parametrize(
    ("options", "scheduler"),
    [(options, name) for options in OPTIONS for name in SCHEDULERS if name == "constant" or "tensor" not in options],
)
@pytest.mark.parametrize("recipe", NO_PAIRS)
def test_identity_without_pairs_is_sgd(recipe, options, scheduler):
    start = bits(tagger())
    for ours, theirs in run_both(NO_PAIRS[recipe], OPTIONS[options], scheduler=scheduler):
        assert same(bits(ours), bits(theirs))
    assert not same(bits(ours), start)


@pytest.mark.parametrize("scheduler", ["steps", "cosine"])
def test_any_tensor_lr_is_sgd_to_rounding(scheduler):
    """A float lr is one fused multiply-add; a tensor's product is rounded first, since the host may not read it."""

    def options():
        return {"lr": torch.tensor(0.3, dtype=torch.float64)}

    ours, theirs = tagger(dtype=torch.float64), tagger(dtype=torch.float64)
    ours_by = QuasiNewton(ours.parameters(), NO_PAIRS["pairs=None"], **options())
    theirs_by = torch.optim.SGD(theirs.parameters(), **options())
    schedulers = [SCHEDULERS[scheduler](ours_by), SCHEDULERS[scheduler](theirs_by)]
    for k in range(50):
        train(ours, ours_by, 1, k)
        train(theirs, theirs_by, 1, k)
        for s in schedulers:
            s.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("dtype", "lr"), [(torch.bfloat16, 0.25), (torch.float64, 0.3)])
@pytest.mark.parametrize("recipe", NO_PAIRS)
def test_other_dtypes(recipe, dtype, lr):
    """For bfloat16 parameters SGD rounds lr to bfloat16 first, here it keeps its digits: so an lr which is exact."""
    for ours, theirs in run_both(NO_PAIRS[recipe], {"lr": lr}, dtype=dtype):
        assert same(bits(ours), bits(theirs))


def test_weight_decay_in_float64():
    for ours, theirs in run_both(NO_PAIRS["pairs=None"], {"lr": 0.3, "weight_decay": 0.05}, dtype=torch.float64):
        assert same(bits(ours), bits(theirs))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_groups_with_their_own_options(scheduler):
    def params(model):
        return grouped(model, lr=0.05, weight_decay=0.1)

    for ours, theirs in run_both(NO_PAIRS["pairs=None"], {"lr": 0.3}, params=params, scheduler=scheduler):
        assert same(bits(ours), bits(theirs))
    assert not same(bits(ours), bits(list(run_both(NO_PAIRS["pairs=None"], {"lr": 0.3}))[-1][0]))


def test_groups_with_a_tensor_and_a_float_lr():
    def params(model):
        return grouped(model, lr=torch.tensor(0.125))

    for ours, theirs in run_both(NO_PAIRS["pairs=None"], {"lr": 0.3}, params=params):
        assert same(bits(ours), bits(theirs))


@pytest.mark.parametrize("recipe", NO_PAIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_adagrad_without_pairs_is_the_textbook_step(recipe, dtype, weight_decay):
    eps, lr = 1e-3, 0.05
    ours, theirs = tagger(dtype=dtype), tagger(dtype=dtype)
    optimizer = QuasiNewton(
        ours.parameters(), NO_PAIRS[recipe].but(scaling=AdaGrad(eps=eps)), lr=lr, weight_decay=weight_decay
    )
    G = [torch.zeros_like(p) for p in theirs.parameters()]
    for k in range(50):
        train(ours, optimizer, 1, k)
        backward(theirs, k)
        with torch.no_grad():
            for p, total in zip(theirs.parameters(), G, strict=True):
                g = p.grad.add(p, alpha=weight_decay) if weight_decay else p.grad
                total.addcmul_(g, g)
                p.add_(g / (total + eps).sqrt(), alpha=-lr)
        assert same(bits(ours), bits(theirs))


def test_adagrad_is_torchs_but_for_the_place_of_eps():
    """With eps negligible on both sides the two agree to rounding."""
    ours, theirs = tagger(dtype=torch.float64), tagger(dtype=torch.float64)
    recipe = NO_PAIRS["pairs=None"].but(scaling=AdaGrad(eps=1e-40))
    ours_by = QuasiNewton(ours.parameters(), recipe, lr=0.02)
    theirs_by = torch.optim.Adagrad(theirs.parameters(), lr=0.02, eps=1e-20)
    train(ours, ours_by, 30)
    train(theirs, theirs_by, 30)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-11)


def test_rmsprop_without_pairs_is_the_textbook_step():
    decay, eps, lr = 0.8, 1e-3, 0.02
    ours, theirs = tagger(), tagger()
    recipe = NO_PAIRS["pairs=None"].but(scaling=RMSProp(decay=decay, eps=eps))
    optimizer = QuasiNewton(ours.parameters(), recipe, lr=lr)
    V = [torch.zeros_like(p) for p in theirs.parameters()]
    for k in range(50):
        train(ours, optimizer, 1, k)
        backward(theirs, k)
        with torch.no_grad():
            for p, mean in zip(theirs.parameters(), V, strict=True):
                mean.mul_(decay).addcmul_(p.grad, p.grad, value=1 - decay)
                p.add_(p.grad / (mean + eps).sqrt(), alpha=-lr)
        assert same(bits(ours), bits(theirs))


def test_a_watching_guard_that_never_objects_changes_nothing():
    """At a small lr the guard keeps every window, and without pairs it only watches."""
    plain, watched = tagger(), tagger()
    recipe = NO_PAIRS["pairs=None"].but(guard=ADAQN.guard)
    train(plain, QuasiNewton(plain.parameters(), NO_PAIRS["pairs=None"], lr=0.01), 65)
    optimizer = QuasiNewton(watched.parameters(), recipe, lr=0.01, monitor=Loss(watched))
    train(watched, optimizer, 65)
    assert [event.kind.name for event in optimizer.events] == ["REFERENCE"] * 3
    assert same(bits(plain), bits(watched))
