"""step() reads no tensor on the host, and so does the same work whatever the data are."""

import math
from contextlib import nullcontext

import pytest
import torch

from adaqn_lab import EventKind, QuasiNewton
from tests.adaqn_lab.small import VARIANTS, Loss, backward, gpu, needs_cuda, optimizer_for, tagger
from tests.adaqn_lab.test_runs import make
from verification.host_reads import Watch


def spoilt(k):
    """Batches 4 and 10 have bad gradients."""
    return {4: math.nan, 10: 1e30}.get(k)


class Rising(Loss):
    """Its loss rises tenfold at every third call and so forces roll-backs, without a read of its own."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return super().__call__() * (10.0 if self.calls % 3 == 0 else 1.0)


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1)], ids=["float", "tensor"])
@pytest.mark.parametrize("name", VARIANTS)
def test_no_read_over_many_windows(name, lr):
    model = tagger()
    optimizer = QuasiNewton(
        model.parameters(), VARIANTS[name], lr=lr, monitor=Rising(model), curvature=Loss(model, -2), weight_decay=0.01
    )
    batches_drawn(model)
    for k in range(16):
        backward(model, k)
        if (bad := spoilt(k)) is not None:
            model.out.bias.grad.fill_(bad)
        with Watch(first_reads(k, lr)):
            optimizer.step()
    kinds = {event.kind for event in optimizer.events}
    assert EventKind.STEP_SKIPPED in kinds
    if VARIANTS[name].guard is not None:
        assert EventKind.ROLLED_BACK in kinds


@pytest.mark.parametrize("lr", [0.1, torch.tensor([0.05, 0.1, 3.0])], ids=["float", "tensor"])
@pytest.mark.parametrize("name", VARIANTS)
def test_no_read_with_runs_side_by_side(name, lr):
    nets, optimizer = make([1, 2, 3], VARIANTS[name], lr)
    for k in range(16):
        nets.zero_grad()
        nets.losses(k).sum().backward()
        if (bad := spoilt(k)) is not None:
            nets.w.grad[1] = bad
        with Watch(first_reads(k, lr)):
            optimizer.step()
    assert (5, 1, EventKind.STEP_SKIPPED) in [(event.step, event.run, event.kind) for event in optimizer.events]


def first_reads(k, lr):
    """The step which makes the state asks once whether a rate in a CPU tensor is zero: tools prepare optimizers so."""
    return 1 if k == 0 and isinstance(lr, torch.Tensor) else 0


def batches_drawn(model):
    """Draw the closures' batches before the watch begins: drawing reads."""
    for k in (-1, -2):
        Loss(model, k)()


def work(name, spoil, seed):
    """The operators of each of 13 steps."""
    model = tagger(seed)
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.1)
    batches_drawn(model)
    counts = []
    for k in range(13):
        backward(model, k + 100 * seed)
        if spoil and spoilt(k) is not None:
            model.out.bias.grad.fill_(spoilt(k))
        with Watch() as watch:
            optimizer.step()
        counts.append(watch.count)
    return counts


@pytest.mark.parametrize("name", VARIANTS)
def test_the_operators_of_a_step_do_not_depend_on_the_data(name):
    calm, stormy = work(name, False, 1), work(name, True, 2)
    assert calm == stormy
    every = VARIANTS[name].cadence.every
    inner = {sum(count.values()) for k, count in enumerate(calm) if k > 0 and (k + 1) % every}
    assert len(inner) <= 1  # between windows every step is the same
    print(f"{name}: {sorted(inner)} operators a step, {sum(calm[3 * every - 1].values())} where a window closes")


@gpu
@needs_cuda
@pytest.mark.parametrize("lr", ["float", "tensor"])
@pytest.mark.parametrize("name", VARIANTS)
def test_no_synchronisation_on_cuda(name, lr):
    model = tagger().cuda()
    rate = {"float": 0.1, "tensor": torch.tensor(0.1, device="cuda")}[lr]
    x = [torch.randn(6, 5, 4, device="cuda") for _ in range(4)]

    def loss(k):
        return model(x[k]).square().mean()

    def curvature():
        with torch.backends.cudnn.flags(enabled=False):  # cuDNN's LSTM has no second derivative
            return loss(3)

    optimizer = QuasiNewton(model.parameters(), VARIANTS[name], lr=rate, monitor=lambda: loss(2), curvature=curvature)
    for k in range(16):
        model.zero_grad()
        loss(k % 2).backward()
        torch.cuda.synchronize()
        # the first window loads kernels and libraries
        with errors_on_synchronisation() if k >= 7 else nullcontext():
            optimizer.step()
    assert optimizer.events


class errors_on_synchronisation:  # noqa: N801
    def __enter__(self):
        torch.cuda.set_sync_debug_mode("error")

    def __exit__(self, *error):
        torch.cuda.set_sync_debug_mode("default")
