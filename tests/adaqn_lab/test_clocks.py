"""The two clocks: what a window averages, where displacements start, and the operator between them."""

import pytest
import torch

from adaqn_lab import Cadence, CautiousSS, EventKind, QuasiNewton, Window, two_loop
from tests.adaqn_lab.small import SHORT, VARIANTS, Loss, backward, bits, memory, optimizer_for, tagger, train


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("always_advance", [False, True])
@pytest.mark.parametrize("from_start", [False, True])
@pytest.mark.parametrize("after_step", [False, True])
def test_averages_references_and_displacements(after_step, from_start, always_advance):
    """Against sums in float64 kept beside the loop: w_bar, w_ref and s's of every pair that was tried."""
    cadence = Cadence(every=4, after_step=after_step, from_start=from_start, always_advance=always_advance)
    model = tagger()
    memory_policy = Window(capacity=3, test=CautiousSS(eps=0.012))  # some pairs pass, some do not
    recipe = SHORT["ADAQN"].but(guard=None, cadence=cadence, memory=memory_policy)
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.1)
    reference, anchored, iterates = flat(model).double(), from_start, []
    for k in range(24):
        before = flat(model)
        train(model, optimizer, 1, k)
        iterates.append((flat(model) if after_step else before).double())
        if len(iterates) < 4:
            continue
        average, iterates = torch.stack(iterates).mean(0), []
        event = optimizer.events[-1]
        assert event.step == k + 1
        assert (event.kind is EventKind.REFERENCE) == (not anchored)
        if anchored:
            assert event.s_s == pytest.approx((average - reference).square().sum().item(), rel=1e-4)
        if not anchored or always_advance or event.kind is EventKind.ADMITTED:
            reference, anchored = average, True
        torch.testing.assert_close(memory(optimizer)["clock.reference"][0].double(), reference, rtol=1e-6, atol=1e-6)
    assert {event.kind for event in optimizer.events} >= {EventKind.ADMITTED, EventKind.SKIPPED}


@pytest.mark.parametrize("name", [name for name, recipe in VARIANTS.items() if name != "capacity 0"])
def test_the_operator_is_the_textbook_two_loop_around_h0(name):
    """In float64, at every step, over admissions, evictions and roll-backs."""
    model = tagger(dtype=torch.float64)
    recipe = VARIANTS[name]
    optimizer = optimizer_for(model, recipe, lr=0.05)
    g = torch.Generator().manual_seed(1)
    held = set()
    for k in range(25):
        train(model, optimizer, 1, k)
        v = torch.randn(1, flat(model).numel(), generator=g, dtype=torch.float64)
        history, scaling = optimizer._algorithm.states["memory"], optimizer._algorithm.states["scaling"]

        def h0(q, scaling=scaling, history=history):
            return recipe.scaling.h0(scaling, history).apply_(q.clone().unsqueeze(0))[0]

        s, y = history.pairs()
        held.add(len(s))
        expected = two_loop(s, y, v[0], h0)
        torch.testing.assert_close(
            optimizer.operator(v)[0], expected, rtol=1e-7, atol=1e-9 * expected.abs().max().item()
        )
    if recipe.pairs is not None:
        assert max(held) == recipe.memory.capacity


def test_the_operator_has_no_side_effects():
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS["rms batch"])
    train(model, optimizer, 12)
    kept, before = memory(optimizer), bits(model)
    v = torch.randn(1, flat(model).numel())
    old = v.clone()
    first, second = optimizer.operator(v), optimizer.operator(v)
    assert torch.equal(first, second)
    assert torch.equal(v, old)
    assert all(torch.equal(kept[key], tensor) or "guard" in key for key, tensor in memory(optimizer).items())
    assert all(torch.equal(p, q) for p, q in zip(bits(model), before, strict=True))


def test_the_fisher_pair_of_a_window():
    """y = (1/|F|) sum g (g's) over the gradients of the last steps, the current one included."""
    model = tagger(dtype=torch.float64)
    recipe = SHORT["ADAQN"].but(guard=None)
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.1, monitor=Loss(model))
    gradients = []
    for k in range(18):
        backward(model, k)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        optimizer.step()
        if optimizer.events and optimizer.events[-1].step == k + 1 and optimizer.events[-1].kind is EventKind.ADMITTED:
            s, y = optimizer._algorithm.states["memory"].pairs()
            store = torch.stack(gradients[-7:])
            torch.testing.assert_close(y[-1], (store.T @ (store @ s[-1])) / len(store), rtol=1e-9, atol=1e-15)
    assert sum(event.kind is EventKind.ADMITTED for event in optimizer.events) >= 4
