"""QuasiNewton and Adam in the terms of torch's private testing tools."""

import copy

import pytest
import torch
from hypothesis import settings
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from adaqn_lab import ADAQN, AdaGrad, Identity, QuasiNewton, Window
from tests.adaqn_lab.small import shortened

pytest.importorskip("expecttest", reason="torch's testing tools need expecttest")
# Importing torch's tools loads a Hypothesis profile of 10 examples, for the whole session.
PROFILE = settings.get_current_profile_name()
KEPT = {PROFILE: settings.get_profile(PROFILE)}
common_optimizers = pytest.importorskip("torch.testing._internal.common_optimizers", reason="private tools of torch")
from torch.testing._internal.common_device_type import instantiate_device_type_tests, onlyCUDA  # noqa: E402, F401
from torch.testing._internal.common_utils import TestCase  # noqa: E402, F401

for _name, _settings in KEPT.items():
    settings.register_profile(_name, _settings)
settings.load_profile(PROFILE)

optims = common_optimizers.optims
OptimizerInput = common_optimizers.OptimizerInput
ErrorOptimizerInput = common_optimizers.ErrorOptimizerInput
OptimizerErrorEnum = common_optimizers.OptimizerErrorEnum

FREE = shortened(ADAQN).but(guard=None)


def inputs(device, dtype=None):
    return [
        OptimizerInput(params=None, kwargs={"recipe": FREE, "lr": 0.02}, desc="adaQN without guard"),
        OptimizerInput(params=None, kwargs={"recipe": FREE, "lr": torch.tensor(0.02)}, desc="tensor lr"),
        OptimizerInput(params=None, kwargs={"recipe": FREE, "lr": 0.02, "weight_decay": 0.1}, desc="weight decay"),
        OptimizerInput(params=None, kwargs={"recipe": FREE, "lr": 0.02, "maximize": True}, desc="maximize"),
        OptimizerInput(
            params=None, kwargs={"recipe": FREE.but(pairs=None, scaling=Identity()), "lr": 0.001}, desc="plain SGD"
        ),
        OptimizerInput(
            params=None, kwargs={"recipe": FREE.but(scaling=AdaGrad(eps=1e-2), memory=Window(capacity=1)), "lr": 0.01}
        ),
    ]


def error_inputs(device, dtype):
    def p(shape=(1,), dtype=dtype):
        return nn.Parameter(torch.ones(shape, device=device, dtype=dtype))

    def case(params, kwargs, error, regex):
        wanted = {"recipe": FREE, "lr": 0.1} | kwargs
        return ErrorOptimizerInput(OptimizerInput(params=params, kwargs=wanted), error_type=error, error_regex=regex)

    one = p()
    return [
        case(p(), {}, TypeError, "should be an iterable of Tensors or dicts"),
        case([one, one], {}, UserWarning, "duplicate parameters"),
        case([{"params": [one]}, {"params": [one]}], {}, ValueError, "more than one parameter group"),
        case([p()], {"lr": torch.tensor([0.1, 0.2])}, ValueError, "lr has shape"),
        case([("w", p()), p()], {}, ValueError, "with/without names"),
        case([{"params": [p()]}, {"params": [("w", p())]}], {}, ValueError, "with/without names"),
        case([p()], {"lr": -0.5}, ValueError, "lr=-0.5 is out of range"),
        case([p()], {"weight_decay": -0.5}, ValueError, "weight_decay=-0.5 is out of range"),
        case([p()], {"recipe": ADAQN}, ValueError, "monitor="),
        case([p(dtype=torch.complex64)], {}, ValueError, "is complex"),
        case([{"params": [p()], "lr": "fast"}], {}, TypeError, "lr='fast' is not a number"),
        case([p()], {"foreach": True}, TypeError, "foreach"),
    ]


def adam_inputs(device, dtype=None):
    return [
        OptimizerInput(params=None, kwargs={"lr": 0.02}, desc="default"),
        OptimizerInput(params=None, kwargs={"lr": 0.02, "weight_decay": 0.1}, desc="weight decay"),
        OptimizerInput(params=None, kwargs={"lr": 0.02, "maximize": True}, desc="maximize"),
    ]


OURS = common_optimizers.OptimizerInfo(
    QuasiNewton,
    optim_inputs_func=inputs,
    optim_error_inputs_func=error_inputs,
    scheduler_inputs=(
        [lambda o: StepLR(o, gamma=0.9, step_size=10)],
        [lambda o: StepLR(o, gamma=0.9, step_size=10), lambda o: ReduceLROnPlateau(o)],
    ),
    supported_impls=(),
    not_og_supported_flags=("maximize", "weight_decay"),
    supports_complex=False,
    supports_multiple_devices=False,
)
ADAM = common_optimizers.OptimizerInfo(
    torch.optim.Adam, optim_inputs_func=adam_inputs, supported_impls=(), not_og_supported_flags=("maximize",)
)
BOTH = [OURS, ADAM]


def problem(device, dtype, contiguous=True):
    """Weight (6, 4), bias (6,) and the closure which leaves the gradients of a least-squares loss in them."""
    g = torch.Generator().manual_seed(11)
    wide, long = torch.randn(6, 4, 2, generator=g), torch.randn(6, 2, generator=g)
    weight, bias = (t.to(device, dtype)[..., 0] for t in (wide, long))
    if contiguous:
        weight, bias = weight.contiguous(), bias.contiguous()
    weight, bias = nn.Parameter(weight), nn.Parameter(bias)
    x = torch.randn(4, generator=g).to(device, dtype)

    def closure():
        weight.grad = bias.grad = None
        loss = (weight.mv(x) + bias).square().sum()
        loss.backward()
        return loss

    return weight, bias, closure


def fixed(kwargs):
    """Own copies: a scheduler writes into a tensor lr."""
    return copy.deepcopy(kwargs)


def trained(optim_info, given, device, dtype, steps):
    weight, bias, closure = problem(device, dtype)
    optimizer = optim_info.optim_cls([weight, bias], **fixed(given.kwargs))
    for _ in range(steps):
        closure()
        optimizer.step()
    return weight, bias, closure, optimizer
