"""What QuasiNewton's constructor refuses, in one sentence each."""

import math

import pytest
import torch
from torch import nn

from adaqn_lab import ADAQN, Dense, HessianVector, QuasiNewton
from adaqn_lab.arguments import check_parameters

FREE = ADAQN.but(guard=None)


def refusal(error_type, params=None, recipe=FREE, **options):
    """The sentence with which the constructor refuses."""
    options.setdefault("lr", 0.1)
    params = nn.Linear(2, 3).parameters() if params is None else params
    with pytest.raises(error_type) as error:
        QuasiNewton(params, recipe, **options)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("lr", [0.0, -0.1, math.nan, math.inf])
def test_lr_out_of_range(lr):
    assert f"lr={lr!r} is out of range" in refusal(ValueError, lr=lr)
    assert "out of range" in refusal(ValueError, lr=torch.tensor(lr if lr != math.inf else -math.inf))


@pytest.mark.parametrize("lr", ["0.1", None, True])
def test_lr_of_a_wrong_type(lr):
    assert f"lr={lr!r} is not a number" in refusal(TypeError, lr=lr)


def test_lr_tensor_of_a_wrong_shape():
    assert "(2,)" in refusal(ValueError, lr=torch.tensor([0.1, 0.2]))
    assert "(1, 1)" in refusal(ValueError, lr=torch.tensor([[0.1]]))
    stacked = [nn.Parameter(torch.zeros(3, 2))]
    assert "3 run(s)" in refusal(ValueError, stacked, runs=3, lr=torch.tensor([0.1, 0.2]))


def test_an_infinite_tensor_lr_is_refused_as_a_float_is():
    assert "out of range" in refusal(ValueError, lr=torch.tensor(math.inf))


def test_lr_is_required():
    with pytest.raises(TypeError, match="lr"):
        QuasiNewton(nn.Linear(2, 3).parameters(), FREE)


def test_lr_of_a_group_is_checked_too():
    groups = [{"params": [nn.Parameter(torch.zeros(2))]}, {"params": [nn.Parameter(torch.zeros(2))], "lr": -1.0}]
    assert "lr=-1.0" in refusal(ValueError, groups)


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_weight_decay_out_of_range(value):
    assert f"weight_decay={value!r}" in refusal(ValueError, weight_decay=value)


def test_maximize_must_be_a_bool_and_the_same_in_all_groups():
    assert "maximize=1" in refusal(TypeError, maximize=1)
    groups = [{"params": [nn.Parameter(torch.zeros(2))]}, {"params": [nn.Parameter(torch.zeros(2))], "maximize": True}]
    assert "maximize=True" in refusal(ValueError, groups)


@pytest.mark.parametrize("recipe", [None, "adaqn", ADAQN.scaling])
def test_recipe_must_be_a_recipe(recipe):
    assert f"recipe={recipe!r} is no Recipe" in refusal(TypeError, recipe=recipe)


@pytest.mark.parametrize("runs", [0, -2])
def test_runs_out_of_range(runs):
    assert f"runs={runs}" in refusal(ValueError, runs=runs)


@pytest.mark.parametrize("runs", [2.0, True, "3"])
def test_runs_of_a_wrong_type(runs):
    assert f"runs={runs!r}" in refusal(TypeError, runs=runs)


def test_runs_must_be_the_first_dimension_of_every_parameter():
    stacked = nn.Parameter(torch.zeros(3, 2))
    assert "Parameter 1 has shape (2, 3) but runs=3" in refusal(
        ValueError, [stacked, nn.Parameter(torch.zeros(2, 3))], runs=3
    )
    assert "shape () but runs=3" in refusal(ValueError, [stacked, nn.Parameter(torch.tensor(0.0))], runs=3)


def test_a_missing_monitor_is_named_with_its_role_and_a_way_out():
    text = refusal(ValueError, recipe=ADAQN)
    assert "monitor=" in text
    assert "guard=MonitorIncrease" in text
    assert "recipe.but(guard=...)" in text


def test_a_missing_curvature_batch_is_named_with_its_role_and_a_way_out():
    text = refusal(ValueError, recipe=FREE.but(pairs=HessianVector()))
    assert "curvature=" in text
    assert "pairs=HessianVector()" in text


@pytest.mark.parametrize("name", ["monitor", "curvature"])
def test_a_closure_must_be_callable(name):
    assert f"{name}=3.5 cannot be called" in refusal(TypeError, **{name: 3.5})


def test_complex_parameters():
    text = refusal(ValueError, [nn.Parameter(torch.zeros(2, dtype=torch.complex64))])
    assert "Parameter 0 is complex (torch.complex64)" in text
    assert "view_as_real" in text


def test_parameters_on_several_devices():
    text = refusal(ValueError, [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2, device="meta"))])
    assert "cpu, meta" in text


def test_what_cannot_be_one_vector_is_refused():
    on = [nn.Parameter(torch.zeros(2, device=device)) for device in ("meta", "cpu")]
    with pytest.raises(ValueError, match=r"several devices \(cpu, meta\)"):
        check_parameters(on, 1)
    with pytest.raises(ValueError, match="Parameter 1 is complex"):
        check_parameters([torch.zeros(2), torch.zeros(2, dtype=torch.complex64)], 1)
    for bad in (torch.zeros(()), torch.zeros(3, 2)):
        with pytest.raises(ValueError, match=r"Parameter 1 has shape .* but runs=2"):
            check_parameters([torch.zeros(2, 2), bad], 2)
    assert check_parameters([torch.zeros(()), torch.zeros(3, 2)], 1) is True
    assert check_parameters([torch.zeros(2), torch.zeros(2, 2)], 2) is True
    assert check_parameters([torch.zeros(2), nn.UninitializedParameter()], 1) is False


def test_what_a_part_cannot_hold_is_refused_before_anything_is_allocated():
    """The parts' states are tried on torch's meta device: of 4e6 x 4e6 matrices nothing is made."""
    many = [nn.Parameter(torch.zeros(4_000_000))]
    text = refusal(ValueError, many, FREE.but(memory=Dense(limit=3_999_999)))
    assert "4000000 parameters" in text
    assert QuasiNewton(many, FREE.but(memory=Dense(limit=4_000_000)), lr=0.1).state == {}


def test_a_sparse_gradient_is_refused_and_nothing_moves():
    model = nn.Embedding(5, 2, sparse=True)
    optimizer = QuasiNewton(model.parameters(), FREE, lr=0.1)
    before = model.weight.detach().clone()
    model(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match=r"sparse.*sparse=False\.$"):
        optimizer.step()
    assert torch.equal(model.weight, before)


def test_no_parameters():
    with pytest.raises(ValueError, match="empty parameter list"):
        QuasiNewton([], FREE, lr=0.1)


def test_a_refused_group_is_not_kept():
    optimizer = QuasiNewton([nn.Parameter(torch.zeros(2))], FREE, lr=0.1)
    with pytest.raises(ValueError, match="lr=-1"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": -1})
    assert len(optimizer.param_groups) == 1
