"""The watch for reads of a tensor on the host."""

import pytest
import torch

from verification.host_reads import Unread, Watch


@pytest.mark.parametrize(
    "read",
    [
        lambda t: t.item(),
        lambda t: float(t),
        lambda t: 1 if t > 0 else 2,
        lambda t: t.tolist(),
        lambda t: t.numpy(),
        lambda t: torch.equal(t, t),
        lambda t: torch.ones(3)[torch.ones(3) > t],
        lambda t: torch.ones(3).add_(torch.ones(3), alpha=t),
        lambda t: torch.linalg.solve(t.expand(1, 1), t.expand(1, 1)),
        lambda t: torch.ones(3).index_put((torch.ones(3) > t,), torch.ones(3)),
    ],
)
def test_the_watch_sees_every_kind_of_read(read):
    with pytest.raises(AssertionError, match="reads a tensor"), Watch():
        read(torch.tensor(1.0))


def test_a_fill_by_a_mask_is_no_read():
    x = torch.zeros(3)
    with Watch():
        x[torch.tensor([True, False, True])] = 2.0
    assert x.tolist() == [2.0, 0.0, 2.0]


def test_a_read_that_must_be_and_is_not_fails():
    with pytest.raises(AssertionError, match="1 reads fewer"), Watch(1):
        torch.ones(3).sum()


class Reading:
    def observe_(self, state):
        return 1 if state > 0 else 2

    def pair_(self, state):
        return state + 1


def test_the_method_that_reads_is_named():
    part = Unread(Reading())
    assert part.pair_(torch.tensor(1.0)).item() == 2.0
    with pytest.raises(AssertionError, match=r"observe_: .* decide by masks"):
        part.observe_(torch.tensor(1.0))
