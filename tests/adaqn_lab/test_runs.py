"""R runs side by side are the same R runs alone."""

import functools
import math

import pytest
import torch
from torch import nn

from adaqn_lab import EventKind, QuasiNewton
from tests.adaqn_lab.small import SHORT, VARIANTS, memory, same_memory

LRS = [0.02, 0.1, 0.4]


class Nets(nn.Module):
    """R small tanh networks with a bias and a temperature of their own; the first dimension counts the runs."""

    def __init__(self, seeds, dtype) -> None:
        super().__init__()
        rows = []
        for seed in seeds:
            g = torch.Generator().manual_seed(seed)
            shapes = [(3, 5), (5,), (5, 1), ()]
            rows.append([torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes])
        self.w, self.b, self.out, self.t = (
            nn.Parameter(torch.stack(column).to(dtype)) for column in zip(*rows, strict=True)
        )

    def losses(self, k):
        """(R,) losses on batch k, which all runs share."""
        x, y = batch(k, self.w.dtype)
        hidden = torch.tanh(torch.einsum("bi,rij->rbj", x, self.w) + self.b.unsqueeze(1))
        out = torch.einsum("rbj,rjo->rbo", hidden, self.out) * self.t.view(-1, 1, 1)
        return (out - y).square().mean((1, 2))


@functools.cache
def batch(k, dtype):
    """Mini-batch number k."""
    g = torch.Generator().manual_seed(500 + k)
    x = torch.randn(8, 3, generator=g, dtype=torch.float64).to(dtype)
    return x, torch.sin(x.sum(1, keepdim=True))


class Monitor:
    def __init__(self, nets, k):
        self.nets, self.k = nets, k

    def __call__(self):
        return self.nets.losses(self.k)


def make(seeds, recipe, lr, dtype=torch.float64):
    nets = Nets(seeds, dtype)
    optimizer = QuasiNewton(
        nets.parameters(), recipe, lr=lr, monitor=Monitor(nets, -1), curvature=Monitor(nets, -2), runs=len(seeds)
    )
    return nets, optimizer


def train(nets, optimizer, steps, spoil=lambda k: None):
    for k in range(steps):
        nets.zero_grad()
        nets.losses(k).sum().backward()
        spoil(k)
        optimizer.step()


def row(nets, run):
    return [p[run].detach().clone() for p in nets.parameters()]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 2e-2)])
def test_runs_together_are_the_runs_alone(name, dtype, rtol):
    """To rounding: batched products sum in another order. The decisions are the same."""
    recipe = VARIANTS[name]
    together, optimizer = make([1, 2, 3], recipe, torch.tensor(LRS), dtype)
    train(together, optimizer, 19)
    for run, lr in enumerate(LRS):
        # the same (float32) rate, as a tensor: its product is rounded as in the batch
        alone, single = make([run + 1], recipe, torch.tensor([lr]), dtype)
        train(alone, single, 19)
        for p, q in zip(row(together, run), row(alone, 0), strict=True):
            torch.testing.assert_close(p, q, rtol=rtol, atol=rtol)
        ours = [(event.step, event.kind) for event in optimizer.events if event.run == run]
        assert ours == [(event.step, event.kind) for event in single.events]


def test_each_run_has_its_own_rate():
    together, optimizer = make([1, 1], SHORT["ADAQN"], torch.tensor([0.1, 0.3]))
    before = row(together, 0)
    train(together, optimizer, 1)
    for start, p, q in zip(before, row(together, 0), row(together, 1), strict=True):
        torch.testing.assert_close((q - start), 3 * (p - start), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1, dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64)])
def test_one_rate_for_all(lr):
    one, optimizer = make([1, 2], SHORT["ADAQN"], lr)
    other, reference = make([1, 2], SHORT["ADAQN"], torch.full((2,), 0.1, dtype=torch.float64))
    train(one, optimizer, 5)
    train(other, reference, 5)
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_diverging_run_harms_no_neighbour(name, poison):
    """Run 1's gradient or parameters are spoilt; runs 0 and 2 keep every bit of what they would have been."""
    recipe = VARIANTS[name]
    healthy, optimizer = make([1, 2, 3], recipe, 0.1)
    train(healthy, optimizer, 17)
    spoilt, other = make([1, 2, 3], recipe, 0.1)

    def spoil(k):
        if k in (4, 5, 11):
            spoilt.w.grad[1, 0, 0] = poison
        if k == 8:
            spoilt.b.data[1] = poison

    train(spoilt, other, 17, spoil)
    for run in (0, 2):
        for p, q in zip(row(healthy, run), row(spoilt, run), strict=True):
            assert torch.equal(p, q)
        mine = [repr(event) for event in optimizer.events if event.run == run]
        assert mine == [repr(event) for event in other.events if event.run == run]
    kept = {key: tensor[[0, 2]] for key, tensor in memory(optimizer).items()}
    assert same_memory(kept, {key: tensor[[0, 2]] for key, tensor in memory(other).items()})
    kinds = {event.kind for event in other.events if event.run == 1}
    assert EventKind.STEP_SKIPPED in kinds


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_runs_bad_monitor_loss_rolls_back_that_run_only(bad):
    nets, optimizer = make([1, 2, 3], SHORT["ADAQN"].but(pairs=None), 0.01)
    calls = []

    class Bad(Monitor):
        def __call__(self):
            calls.append(1)
            losses = super().__call__()
            return torch.where(torch.arange(3) == 1, bad, losses) if len(calls) == 2 else losses

    optimizer = QuasiNewton(nets.parameters(), optimizer.recipe, lr=0.01, monitor=Bad(nets, -1), runs=3)
    train(nets, optimizer, 6)
    second = [event.kind for event in optimizer.events if event.step == 6]
    assert second == [EventKind.REFERENCE, EventKind.ROLLED_BACK, EventKind.REFERENCE]


def test_a_monitor_which_reduces_over_the_runs_is_refused():
    nets, _ = make([1, 2, 3], SHORT["ADAQN"], 0.1)
    optimizer = QuasiNewton(nets.parameters(), SHORT["ADAQN"], lr=0.1, monitor=lambda: nets.losses(-1).mean(), runs=3)
    with pytest.raises(
        ValueError, match=r"^The monitor callable returned shape \(\); .* each of the 3 run\(s\): .*\.$"
    ):
        train(nets, optimizer, 3)
