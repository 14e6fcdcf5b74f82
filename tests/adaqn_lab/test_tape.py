"""The tape does what a CUDA graph does, of whose outside tensors none is kept alive."""

from __future__ import annotations

import weakref

import pytest
import torch

from tests.adaqn_lab.tape import record


def test_a_replay_reads_and_writes_where_the_tensors_are():
    x, out = torch.arange(6.0).view(2, 3), torch.zeros(3)
    replay = record(lambda: out.copy_((x.T[:, 1] * 2 + 1).sqrt()))
    x.mul_(3)
    replay()
    assert torch.equal(out, (x[1] * 2 + 1).sqrt())


@pytest.mark.parametrize("view", [False, True])
def test_what_came_from_outside_and_was_freed_is_not_read(view):
    out, given = torch.zeros(2), [torch.ones(4, 2)]
    replay = record(lambda: out.add_(given[0][1] if view else given[0].sum(0)))
    replay()
    assert out.tolist() == ([2.0, 2.0] if view else [8.0, 8.0])
    given.clear()
    with pytest.raises(RuntimeError, match=r"of shape \(4, 2\) that came from outside the recording and was freed"):
        replay()


def test_a_view_that_is_gone_does_no_harm_while_its_memory_is_there():
    base, out = torch.ones(4), torch.zeros(2)
    replay = record(lambda view=base[2:]: out.add_(view))
    base.fill_(5.0)
    replay()
    assert out.tolist() == [6.0, 6.0]


def test_what_the_recording_made_lives_as_long_as_the_tape():
    out, made = torch.zeros(3), []

    def work():
        between = torch.ones(3) + out
        made.append(weakref.ref(between))
        out.copy_(between)

    replay = record(work)
    assert made[0]() is None
    replay()
    replay()
    assert out.tolist() == [3.0] * 3


def test_weights_that_require_gradients_are_held_weakly_too():
    out, given = torch.zeros(()), [torch.nn.Parameter(torch.ones(3))]

    def work():
        (gradient,) = torch.autograd.grad(given[0].square().sum(), given)
        out.copy_(gradient.sum())

    replay = record(work)
    with torch.no_grad():
        given[0].fill_(2.0)
    replay()
    assert out == 12.0
    given.clear()
    with pytest.raises(RuntimeError, match="freed"):
        replay()
