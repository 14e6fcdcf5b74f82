"""Whatever the parameters are: their dtypes, strides, missing gradients; and copies of model and optimizer."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from adaqn_lab import EventKind, QuasiNewton
from tests.adaqn_lab.small import (
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
    tagger,
    train,
)

FREE = SHORT["ADAQN"].but(guard=None)


@pytest.mark.parametrize("name", ["ADAQN", "ADAQN_MINSQN", "ADAQN_STOCHQN"])
def test_a_bfloat16_model_keeps_a_float32_memory_and_learns(name):
    model = tagger(dtype=torch.bfloat16)
    lr = 0.02 if name == "ADAQN_MINSQN" else 0.1
    optimizer = QuasiNewton(model.parameters(), SHORT[name], lr=lr, monitor=Loss(model))
    losses = train(model, optimizer, 150)
    assert {t.dtype for t in memory(optimizer).values() if t.is_floating_point()} == {torch.float32, torch.float64}
    assert all(p.dtype == torch.bfloat16 for p in model.parameters())
    assert torch.stack(losses[-10:]).mean() < torch.stack(losses[:10]).mean() - 0.1


def test_a_float64_model_has_a_float64_memory():
    model = tagger(dtype=torch.float64)
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    train(model, optimizer, 7)
    assert {t.dtype for t in memory(optimizer).values() if t.is_floating_point()} == {torch.float64}


def test_parameters_without_a_gradient_stay():
    model = tagger()
    optimizer = optimizer_for(model, FREE)
    for k in range(16):
        backward(model, k)
        absent = [p for i, p in enumerate(model.parameters()) if (i + k) % 3 == 0]
        for p in absent:
            p.grad = None
        before = {p: p.detach().clone() for p in model.parameters()}
        optimizer.step()
        for p, old in before.items():
            assert torch.equal(p, old) == any(p is q for q in absent)


@pytest.mark.parametrize("name", VARIANTS)
def test_frozen_parameters_keep_every_bit_even_over_roll_backs(name):
    model = tagger()
    frozen = [model.lstm.weight_hh_l0, model.out.bias]
    for p in frozen:
        p.requires_grad_(False)
    before = [p.clone() for p in frozen]
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.5, weight_decay=0.1)
    for k in range(30):
        train(model, optimizer, 1, k)
        assert same(frozen, before)
    if name in ("ADAQN", "sqn", "strict guard"):
        assert EventKind.ROLLED_BACK in {event.kind for event in optimizer.events}


def deep_copied(model, optimizer):
    return copy.deepcopy((model, optimizer))


def pickled(model, optimizer):
    return pickle.loads(pickle.dumps((model, optimizer)))


@pytest.mark.parametrize("how", [deep_copied, pickled])
@pytest.mark.parametrize("steps", [0, 1, 7, 12])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_copy_continues_identically_and_shares_nothing(name, steps, how):
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.2)
    scheduler = StepLR(optimizer, 4, 0.9)  # puts a bound step() on the instance
    train(model, optimizer, steps)
    copied_model, copied = how(model, optimizer)
    before, happened = bits(model), events(optimizer)
    train(copied_model, copied, 11, steps)
    assert same(bits(model), before)
    assert events(optimizer) == happened
    train(model, optimizer, 11, steps)
    assert same(bits(model), bits(copied_model))
    assert events(optimizer) == events(copied)
    assert same_memory(memory(optimizer), memory(copied))
    del scheduler


@pytest.mark.parametrize("after", [0, 5])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_models_dtype_may_change(dtype, after):
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    train(model, optimizer, after)
    model.to(dtype)
    before = bits(model)
    losses = train(model, optimizer, 60, after)
    assert all(p.dtype == dtype for p in model.parameters())
    assert not same(bits(model), before)
    assert losses[-1] < losses[0]


@gpu
@needs_cuda
def test_the_model_may_move_before_the_first_step():
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    model.cuda()
    train(model, optimizer, 10)
    assert all(t.is_cuda for t in memory(optimizer).values())


def test_another_size_after_the_first_step_is_refused_with_a_way_out():
    model = nn.Linear(2, 2)
    optimizer = QuasiNewton(model.parameters(), FREE, lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    model.weight.data = torch.zeros(3, 2)
    with pytest.raises(RuntimeError, match=r"^Parameter 0 is now \(3, 2\) on cpu but .* \(2, 2\) on cpu; build .*\.$"):
        optimizer.step()


class Strided(nn.Module):
    """The same function with contiguous or strided parameters, and a 0-dim one."""

    def __init__(self, strided: bool) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(3)
        wide, tall = torch.randn(4, 6, generator=g), torch.randn(6, 4, 2, generator=g)
        first, second = wide.t(), tall[..., 1]
        self.first = nn.Parameter(first if strided else first.contiguous())
        self.second = nn.Parameter(second if strided else second.contiguous())
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        return self.scale * (torch.tanh(x @ self.first.t()) @ self.second)


@pytest.mark.parametrize("name", VARIANTS)
def test_strided_and_scalar_parameters(name):
    models = [Strided(True), Strided(False)]
    assert not models[0].first.is_contiguous()
    assert not models[0].second.is_contiguous()
    kinds = []
    for model in models:
        optimizer = optimizer_for(model, VARIANTS[name], lr=0.05)
        for k in range(13):
            backward(model, k)
            for p in model.parameters():
                p.grad = p.grad.contiguous()
            optimizer.step()
        kinds.append([(event.step, event.kind) for event in optimizer.events])
    # To rounding: a strided loop may multiply and add where a vectorised one does both at once.
    for strided, contiguous in zip(bits(models[0]), bits(models[1]), strict=True):
        torch.testing.assert_close(strided, contiguous, rtol=1e-4, atol=1e-4)
    assert kinds[0] == kinds[1]
    assert models[0].scale.item() != pytest.approx(0.7, abs=1e-6)
