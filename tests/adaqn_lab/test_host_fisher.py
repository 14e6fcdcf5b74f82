"""Gradients in host memory: the last m_F of each run, whatever the blocks, the moves and the skipped steps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaqn_lab import Displacement, EmpiricalFisher, HostFisher, Space, Step, Sum
from adaqn_lab.pairs import host_fisher
from tests.adaqn_lab.small import SHORT, backward, gpu, memory, needs_cuda, optimizer_for, tagger, train
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.test_graphs import Run
from tests.adaqn_lab.test_no_host_read import Watch, errors_on_synchronisation

masks = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=25)


@given(
    masks, st.integers(1, 6), st.integers(1, 7), st.sampled_from([None, torch.bfloat16]), st.sampled_from([4, 11, 64])
)
def test_it_is_the_store_on_the_device(where, window, every, dtype, columns):
    """Element by element: in one block of columns or several, before and after every move and every reset."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_fisher, "COLUMNS", columns)
        space, generator = Space(3, 11, torch.float32 if dtype else torch.float64), torch.Generator().manual_seed(7)
        normal = lambda: torch.randn(3, 11, generator=generator, dtype=space.dtype)  # noqa: E731
        parts = (
            EmpiricalFisher(window=window, dtype=dtype, normalisation=Sum()),
            HostFisher(window=window, every=every, dtype=dtype, normalisation=Sum()),
        )
        states = [part.init(space) for part in parts]
        move = Displacement(normal(), normal(), normal(), space.mask(True))
        for k, mask in enumerate(where, start=1):
            m = torch.tensor(mask)
            g = normal() * m.unsqueeze(1)
            for part, state in zip(parts, states, strict=True):
                part.observe_(state, Step(k, g, m, None))
                if k % 11 == 0:
                    part.reset_(state, m)
            found = [part.pair_(state, move, None) for part, state in zip(parts, states, strict=True)]
            torch.testing.assert_close(*found, rtol=0.0, atol=1e-12 if dtype is None else 1e-4)


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
    model = tagger().cuda()
    pairs = HostFisher(window=7, every=3)
    optimizer = optimizer_for(model, SHORT["ADAQN"].but(pairs=pairs))
    kept = optimizer_for(twin := tagger().cuda(), SHORT["ADAQN"].but(pairs=EmpiricalFisher(window=7)))
    for k in range(30):
        for net, own in ((model, optimizer), (twin, kept)):
            for p in net.parameters():
                p.grad = torch.sin(torch.arange(p.numel(), device="cuda").view_as(p) * (k + 1.0))
            torch.cuda.synchronize()
            if k < 15:
                own.step()
            else:
                with errors_on_synchronisation():
                    own.step()
    old = optimizer._states["pairs"].old
    assert old.device.type == "cpu"
    assert old.is_pinned()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer._states["pairs"].old.is_pinned()
    assert memory(optimizer)["pairs.old"].any()
