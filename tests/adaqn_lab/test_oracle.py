"""The oracle on a loss whose derivatives are known: unused and frozen parameters, dtypes, ranks, what it counts."""

import types

import pytest
import torch
import torch.distributed as dist
from torch import nn

from adaqn_lab.oracle import Oracle, _fill
from adaqn_lab.protocols import Need, Sample
from adaqn_lab.space import FlatParameters

A = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
W = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]], dtype=torch.float64)
V = torch.tensor([[1.0, -1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)


class Model:
    """f = (x'A x) / 2 + 3 linear'1, with an unused parameter between, and a frozen one."""

    def __init__(self):
        self.x = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.unused = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.frozen = nn.Parameter(torch.zeros(1, dtype=torch.float64), requires_grad=False)
        self.linear = nn.Parameter(torch.zeros(1))  # float32
        self.flat = FlatParameters([self.x, self.unused, self.frozen, self.linear], 1)

    def loss(self):
        return 0.5 * self.x @ A @ self.x + 3.0 * self.linear.sum()

    def with_outputs(self):
        """Outputs z = (x, x'x) and the loss |z|^2 / 2."""
        z = torch.cat([self.x, (self.x @ self.x).unsqueeze(0)])
        return 0.5 * z @ z, z

    def oracle(self, closure, *, maximize=False):
        return Oracle(
            self.flat, **dict.fromkeys(("monitor", "curvature", "batch", "overlap"), closure), maximize=maximize
        )


@pytest.mark.parametrize("maximize", [False, True])
def test_derivatives_are_the_known_ones_and_what_is_unused_or_frozen_is_zero(maximize):
    model, sign = Model(), -1.0 if maximize else 1.0
    before = model.flat.gather()
    oracle, x, v = model.oracle(model.loss, maximize=maximize), W[0, :2], V[0, :2]
    assert oracle.maximize is maximize
    loss = oracle.loss(W)
    assert loss.dtype == torch.float64
    assert loss.tolist() == [sign * float(0.5 * x @ A @ x + 3.0 * W[0, 4])]
    zero = [0.0, 0.0]
    for sample in Sample:
        assert oracle.gradient(W, sample).tolist() == [[*(sign * (A @ x)).tolist(), *zero, sign * 3.0]]
    assert oracle.hessian_vector(W, V).tolist() == [[*(sign * (A @ v)).tolist(), *zero, 0.0]]
    model.linear.requires_grad_(False)
    with_outputs = model.oracle(model.with_outputs, maximize=maximize)
    # J = [I; 2 x'], and the loss's Hessian in the outputs is I.
    assert with_outputs.gauss_newton(W, V).tolist() == [[*(sign * (v + 4.0 * x * (x @ v))).tolist(), *zero, 0.0]]
    assert torch.equal(model.flat.gather(), before)


def test_the_curvature_loss_may_use_nothing_or_be_linear():
    model = Model()
    linear = model.oracle(lambda: 3.0 * model.linear.sum())
    assert not linear.hessian_vector(W, V).any()
    free = torch.ones(2, requires_grad=True)

    def nothing_of_the_model():
        outputs = free * 2.0
        return outputs @ outputs, outputs

    assert not model.oracle(nothing_of_the_model).gauss_newton(W, V).any()

    def outputs_linear_in_one_and_independent_of_others():
        outputs = model.linear.double() * torch.ones(2, dtype=torch.float64)
        return 0.5 * outputs @ outputs, outputs

    product = model.oracle(outputs_linear_in_one_and_independent_of_others).gauss_newton(W, V)
    assert product.tolist() == [[0.0, 0.0, 0.0, 0.0, 8.0]]


def test_products_through_parameters_of_a_narrower_dtype():
    model = Model()
    cubic = model.oracle(lambda: (model.linear**3).sum())
    assert cubic.hessian_vector(W, V).tolist() == [[0.0, 0.0, 0.0, 0.0, 6.0 * 5.0 * 4.0]]


@pytest.mark.parametrize(
    "value",
    [
        lambda z: z @ z,
        lambda z: (z @ z,),
        lambda z: (z @ z, z, z),
        lambda z: (z @ z, None),
        lambda z: [z @ z, z],
    ],
)
def test_gauss_newton_wants_the_loss_and_its_outputs(value):
    model = Model()
    told = r"^The curvature callable returned .*, and Gauss-Newton products need the model's outputs;"
    with pytest.raises(TypeError, match=told):
        model.oracle(lambda: value(model.x * 2.0)).gauss_newton(W, V)


def test_gauss_newton_wants_outputs_on_which_the_loss_depends():
    model = Model()

    def of_others():
        outputs = model.x * 2.0
        return outputs @ outputs, outputs.clone()

    told = r"^The curvature callable's loss does not depend on the outputs which it returned;"
    with pytest.raises(TypeError, match=told):
        model.oracle(of_others).gauss_newton(W, V)


def test_gauss_newton_of_a_loss_linear_in_the_outputs_is_refused():
    model = Model()

    def linear():
        outputs = model.x * 2.0
        return outputs.sum(), outputs

    with pytest.raises(TypeError, match=r"^Gauss-Newton products need the loss's Hessian"):
        model.oracle(linear).gauss_newton(W, V)


def test_a_loss_of_another_shape_is_refused_by_the_callable_s_name():
    model = Model()
    oracle = model.oracle(lambda: (model.x * 1.0, model.x * 1.0))
    for ask, name in (
        (lambda: oracle.loss(W), "monitor"),
        (lambda: oracle.gradient(W, Sample.BATCH), "batch"),
        (lambda: oracle.gradient(W, Sample.OVERLAP), "overlap"),
        (lambda: oracle.gradient(W, Sample.CURVATURE), "curvature"),
        (lambda: oracle.hessian_vector(W, V), "curvature"),
        (lambda: oracle.gauss_newton(W, V), "curvature"),
    ):
        with pytest.raises(ValueError, match=rf"^The {name} callable returned shape \(2,\); .* 1 run"):
            ask()


def test_calls_are_counted_by_kind():
    model = Model()
    oracle = model.oracle(lambda: (0.5 * (model.x * 1.0).square().sum(), None))
    for count in (1, 2, 3):
        oracle.loss(W)
        assert oracle.calls == {Need.MONITOR_LOSS: count}
    for sample in (Sample.BATCH, Sample.BATCH, Sample.CURVATURE):
        oracle.gradient(W, sample)
    oracle.hessian_vector(W, V)
    oracle.hessian_vector(W, V)
    assert oracle.calls == {
        Need.MONITOR_LOSS: 3,
        Need.BATCH_GRADIENT: 2,
        Need.CURVATURE_GRADIENT: 1,
        Need.HESSIAN_VECTOR_PRODUCT: 2,
    }


def test_losses_may_be_numbers_and_one_for_each_run():
    flat = FlatParameters([nn.Parameter(torch.zeros(3, 2))], 3)
    assert Oracle(flat, monitor=lambda: torch.tensor([[1.0], [2.0], [3.0]]), maximize=False).loss(
        torch.zeros(3, 2)
    ).tolist() == [1.0, 2.0, 3.0]
    assert Model().oracle(lambda: 4.5).loss(W).tolist() == [4.5]
    elsewhere = FlatParameters([nn.Parameter(torch.zeros(2, device="meta"))], 1)
    assert Oracle(elsewhere, monitor=lambda: 1.0, maximize=False).loss(elsewhere.space.zeros()).device.type == "meta"


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_values_are_averaged_over_the_ranks(monkeypatch, ranks):
    """A collective whose other ranks hold twice this one's value each."""
    model, asked = Model(), []

    def all_reduce(value):
        asked.append(value)
        value.mul_(1 + 2 * (ranks - 1))

    monkeypatch.setattr(dist, "is_available", lambda: True)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: ranks)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    factor = (1 + 2 * (ranks - 1)) / ranks
    oracle = model.oracle(model.loss)
    alone = float(0.5 * W[0, :2] @ A @ W[0, :2] + 3.0 * W[0, 4])
    assert oracle.loss(W).item() == pytest.approx(factor * alone, rel=1e-14)
    assert oracle.gradient(W, Sample.BATCH)[0, 4].item() == pytest.approx(factor * 3.0, rel=1e-14)
    assert len(asked) == (2 if ranks > 1 else 0)


def test_without_a_process_group_nothing_is_reduced(monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", types.MethodType(lambda *_: pytest.fail("reduced"), dist))
    assert Model().oracle(lambda: 2.0).loss(W).item() == 2.0


def test_filling_wants_as_many_values_as_segments():
    outs = [torch.zeros(1), torch.zeros(1)]
    _fill(outs, [torch.ones(1), None])
    assert [float(out) for out in outs] == [1.0, 0.0]
    with pytest.raises(ValueError, match="shorter"):
        _fill(outs, [torch.ones(1)])


def test_a_loss_which_is_a_number_keeps_its_digits():
    for loss in (1.0 + 2.0**-40, 2**40 + 1):
        assert Model().oracle(lambda loss=loss: loss).loss(W).item() == loss


@pytest.mark.parametrize("error", [RuntimeError("the disk is full"), ValueError("no gradient")])
def test_what_a_monitor_raises_is_raised_as_it_is(error):
    def monitor():
        raise error

    with pytest.raises(type(error), match=str(error)) as caught:
        Model().oracle(monitor).loss(W)
    assert caught.value is error
    assert error.__notes__[-1].startswith("The monitor callable raised this; ")
