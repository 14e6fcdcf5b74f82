"""Gradients in host memory: the last m_F of each run, whatever the blocks, the moves and the skipped steps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from adaqn_lab import Displacement, EmpiricalFisher, HostFisher, Mean, QuasiNewton, Space, Step, Sum
from adaqn_lab.pairs import host_fisher
from tests.adaqn_lab.small import SHORT, backward, batch, gpu, memory, needs_cuda, optimizer_for, tagger, train
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.test_graphs import Run
from tests.adaqn_lab.test_no_host_read import errors_on_synchronisation
from verification.host_reads import Watch


def compared(parts, space, masks, length):
    """Show the same gradients to both parts, whose windows have ``length`` steps; yield the pairs of either."""
    generator = torch.Generator().manual_seed(7)
    normal = lambda: torch.randn(space.runs, space.size, generator=generator, dtype=space.dtype)  # noqa: E731
    states = [part.init(space) for part in parts]
    move = Displacement(normal(), normal(), normal(), space.mask(True))
    for k, mask in enumerate(masks, start=1):
        m = torch.tensor(mask)
        g = normal() * m.unsqueeze(1)
        for part, state in zip(parts, states, strict=True):
            place = (k - 1) % length
            part.observe_(state, Step(k, g, m, None, place=place, last=place + 1 == length))
            if k % 11 == 0:
                part.reset_(state, m)
        yield [part.pair_(state, move, None) for part, state in zip(parts, states, strict=True)]


masks = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=25)


@given(
    masks,
    st.integers(1, 6),
    st.integers(1, 7),
    st.integers(1, 9),
    st.sampled_from([None, torch.bfloat16]),
    st.sampled_from([4, 11, 64]),
    st.sampled_from([Sum(), Mean()]),
)
def test_it_is_the_store_on_the_device(where, window, every, length, dtype, columns, mean):
    """Element by element: in one block of columns or several, before and after every move and every reset.

    Whatever the optimizer's window is to ``every``: equal, a part or a multiple of it, or neither.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_fisher, "COLUMNS", columns)
        space = Space(3, 11, torch.float32 if dtype else torch.float64)
        parts = (
            EmpiricalFisher(window=window, dtype=dtype, normalisation=mean),
            HostFisher(window=window, every=every, dtype=dtype, normalisation=mean),
        )
        for found in compared(parts, space, where, length):
            torch.testing.assert_close(*found, rtol=0.0, atol=1e-12 if dtype is None else 1e-4)


@pytest.mark.parametrize(("every", "length"), [(1, 3), (3, 3), (3, 6), (3, 7), (4, 2)])
def test_what_is_collected_is_moved_once_in_so_many_steps(monkeypatch, every, length):
    """And at the window's end; in three blocks of columns."""
    moves, move_ = [], host_fisher.HostStore.move_
    monkeypatch.setattr(host_fisher, "COLUMNS", 4)
    monkeypatch.setattr(host_fisher.HostStore, "move_", lambda store: (moves.append(store), move_(store)))
    parts = EmpiricalFisher(window=5), HostFisher(window=5, every=every)
    for found in compared(parts, Space(2, 11, torch.float64), [[True, k % 3 > 0] for k in range(3 * length)], length):
        torch.testing.assert_close(*found, rtol=0.0, atol=1e-12)
    assert len(moves) == 3 * -(-length // every)


def test_steps_made_again_and_again_stay_within_the_rows():
    """As where another part raises in each of them, so that no move comes."""
    part = HostFisher(window=5, every=3)
    state, everyone = part.init(Space(2, 4)), torch.tensor([True, True])
    for k in range(1, 6):
        part.observe_(state, Step(1, torch.full((2, 4), float(k)), everyone, None, place=0, last=False))
    assert state.recent[0, :, 0].tolist() == [1.0, 2.0, 5.0]
    assert state.count.tolist() == [3, 3]


def test_the_device_holds_every_gradients_and_the_host_is_not_told():
    state = HostFisher(window=9, every=4).init(Space(2, 50))
    assert (state.old.shape, state.recent.shape) == ((900,), (2, 4, 50))
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"].but(pairs=HostFisher(window=5, every=2)))
    train(model, optimizer, 7)  # a monitor's first batch is drawn on the host
    for k in range(7, 14):
        backward(model, k)
        with Watch():
            optimizer.step()


def test_it_is_replayed():
    recipe = SHORT["ADAQN"].but(pairs=HostFisher(window=5, every=3))
    assert Run(recipe, record).train(0, 40).same_as(Run(recipe).train(0, 40))


@gpu
@needs_cuda
def test_beside_a_gpu_the_memory_is_pinned_and_nothing_waits():
    x, y = (part.cuda() for part in batch(-1))  # the monitor's data, copied before nothing may wait
    nets, optimizers = [tagger().cuda() for _ in range(2)], []
    for net, pairs in zip(nets, (HostFisher(window=7, every=3), EmpiricalFisher(window=7)), strict=True):
        monitor = lambda net=net: nn.functional.cross_entropy(net(x).flatten(0, 1), y.flatten())  # noqa: E731
        optimizers.append(QuasiNewton(net.parameters(), SHORT["ADAQN"].but(pairs=pairs), lr=0.05, monitor=monitor))
    for k in range(30):
        for net, own in zip(nets, optimizers, strict=True):
            for p in net.parameters():
                p.grad = torch.sin(torch.arange(p.numel(), device="cuda").view_as(p) * (k + 1.0))
            torch.cuda.synchronize()
            if k < 15:
                own.step()
            else:
                with errors_on_synchronisation():
                    own.step()
    (model, twin), optimizer = nets, optimizers[0]
    old = optimizer._algorithm.states["pairs"].old
    assert old.device.type == "cpu"
    assert old.is_pinned()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer._algorithm.states["pairs"].old.is_pinned()
    assert memory(optimizer)["pairs.old"].any()
