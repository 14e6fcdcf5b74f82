"""What a step asks of a group: which parameters have gradients, and how far they go."""

import pytest
import torch

from adaqn_lab.groups import descend, does_nothing, move_, rates, with_gradient
from adaqn_lab.space import FlatParameters


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


def descended(group, d, lr):
    """The group's parameters, tensors with a gradient, after a step along the vector ``d`` (R, n)."""
    flat = FlatParameters(group, len(d))
    for parameter in group:
        parameter.grad = torch.zeros_like(parameter)
    descend([{"params": group, "lr": lr}], flat, d)


@pytest.mark.parametrize("lr", [0.5, torch.tensor(0.5), torch.tensor([0.5]), torch.tensor(0.5, dtype=torch.float64)])
def test_one_rate(lr):
    group = [torch.ones(2, 3), torch.ones(4)]
    descended(group, torch.cat([torch.full((1, 6), 2.0), torch.full((1, 4), 4.0)], 1), lr)
    assert torch.equal(group[0], torch.zeros(2, 3))
    assert torch.equal(group[1], torch.full((4,), -1.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rate_for_every_run(dtype):
    """Rates are rounded to the parameters' dtype first, as a float is that multiplies a float32 tensor."""
    rates = torch.tensor([0.1, 0.7], dtype=torch.float64)
    d = torch.arange(1.0, 65.0).expand(2, 64)
    group = [torch.zeros(2, 64, dtype=dtype)]
    descended(group, d.to(dtype).clone(), rates)
    expected = -torch.stack([d[run].to(dtype) * rates[run].item() for run in range(2)])
    assert torch.equal(group[0], expected)


def test_rates_come_to_the_device_of_the_parameters():
    group, d = [torch.ones(2, 3, device="meta")], torch.ones(2, 3, device="meta")
    descended(group, d, torch.tensor([0.5, 1.0]))
    assert d.device.type == group[0].device.type == "meta"


def test_a_group_of_its_own_rate_and_what_has_no_gradient_stays():
    first, without, second = torch.zeros(2), torch.zeros(3), torch.zeros(1)
    first.grad, second.grad = torch.ones(2), torch.ones(1)
    groups = [{"params": [first, without], "lr": 0.5}, {"params": [second], "lr": torch.tensor(0.25)}]
    assert rates(groups) is None
    flat = FlatParameters([first, without, second], 1)
    descend(groups, flat, torch.tensor([[2.0, 4.0, 9.0, 9.0, 9.0, 8.0]]))
    assert (first.tolist(), without.tolist(), second.tolist()) == ([-1.0, -2.0], [0.0] * 3, [-2.0])
    groups[1]["lr"] = 3
    assert rates(groups) == [0.5, 0.0, 3.0]


@pytest.mark.parametrize("lr", [0.5, torch.tensor(0.5)], ids=["float", "tensor"])
@pytest.mark.parametrize("after_step", [False, True])
def test_a_move_adds_what_lies_between_the_reference_and_the_point_before_or_after_the_step(after_step, lr):
    w = torch.tensor([5.0, 7.0])
    w.grad = torch.ones(2)
    flat, total, reference = FlatParameters([w], 1), torch.tensor([[10.0, 20.0]]), torch.tensor([[4.0, 4.0]])
    move_([{"params": [w], "lr": lr}], flat, torch.tensor([[2.0, 4.0]]), total, reference, after_step)
    assert w.tolist() == [4.0, 5.0]
    assert total.tolist() == ([[10.0, 21.0]] if after_step else [[11.0, 23.0]])


@pytest.mark.parametrize(
    ("lrs", "gradients", "expected"),
    [
        ([0.0, 0.0], [0.0, 0.0], True),
        ([0.0, 0.0], [0.0, None], True),
        ([0.0, torch.tensor(0.0)], [0.0, 0.0], True),
        ([0.0, torch.zeros(2)], [0.0, 0.0], True),
        ([0.0, 0.1], [0.0, 0.0], False),
        ([0.0, torch.tensor(0.1)], [0.0, 0.0], False),
        ([0.0, torch.zeros(2, device="meta")], [0.0, 0.0], False),  # another device is not asked
        ([0.0, 0.0], [0.0, 1.0], False),
        ([0.0, 0.0], [0.0, torch.nan], False),
    ],
)
def test_nothing_is_done_where_no_rate_and_no_gradient_is(lrs, gradients, expected):
    groups = []
    for lr, gradient in zip(lrs, gradients, strict=True):
        (p,) = parameters(gradient is not None)
        if gradient is not None:
            p.grad.fill_(gradient)
        groups.append({"params": [p], "lr": lr})
    assert does_nothing(groups) is expected
