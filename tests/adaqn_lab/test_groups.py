"""What a step asks of a group: which parameters have gradients, and how far they go."""

import pytest
import torch

from adaqn_lab.groups import descend, with_gradient


def parameters(*present):
    made = [torch.nn.Parameter(torch.arange(2.0) + k) for k in range(len(present))]
    for parameter, has in zip(made, present, strict=True):
        parameter.grad = torch.ones(2) if has else None
    return made


@pytest.mark.parametrize(
    "present", [(True, True, True), (True, False, True), (False, False, True), (False, False, False)]
)
def test_segments_go_with_their_parameters(present):
    group, views = parameters(*present), iter([*range(3), "next group's"])
    found, segments, others = with_gradient(group, views)
    expected = [k for k, has in enumerate(present) if has]
    assert [id(p) for p in found] == [id(group[k]) for k in expected]
    assert segments == expected
    assert others == [k for k, has in enumerate(present) if not has]
    assert next(views) == "next group's"


@pytest.mark.parametrize("lr", [0.5, torch.tensor(0.5), torch.tensor([0.5]), torch.tensor(0.5, dtype=torch.float64)])
def test_one_rate(lr):
    group, d = [torch.ones(2, 3), torch.ones(4)], [torch.full((2, 3), 2.0), torch.full((4,), 4.0)]
    descend(group, d, lr)
    assert torch.equal(group[0], torch.zeros(2, 3))
    assert torch.equal(group[1], torch.full((4,), -1.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rate_for_every_run(dtype):
    """Rates are rounded to the parameters' dtype first, as a float is that multiplies a float32 tensor."""
    rates = torch.tensor([0.1, 0.7], dtype=torch.float64)
    d = torch.arange(1.0, 65.0).expand(2, 64)
    steps = [d.to(dtype).clone()]
    group = [torch.zeros(2, 64, dtype=dtype)]
    descend(group, steps, rates)
    expected = -torch.stack([d[run].to(dtype) * rates[run].item() for run in range(2)])
    assert torch.equal(group[0], expected)


def test_rates_come_to_the_device_of_the_parameters():
    group, d = [torch.ones(2, 3, device="meta")], [torch.ones(2, 3, device="meta")]
    descend(group, d, torch.tensor([0.5, 1.0]))
    assert d[0].device.type == "meta"
