"""Ways out of what is wrong with what a callable returns or does."""

from __future__ import annotations

import torch
from torch import nn

from adaqn_lab import Cadence, QuasiNewton
from tests.adaqn_lab.training import SHORT, Training
from tests.adaqn_lab.ways_out import Case, evaluated, moves, steps
from tests.adaqn_lab.ways_out_arguments import CURVED, GAUSS_NEWTON, LONG, SAME, SHARED


def calling(recipe, name, function, **options):
    """Train with a callable which does ``function(training)``."""
    training = Training(recipe, **{name: lambda: function(training)}, **options)
    steps(training)
    assert training.optimizer.oracle_calls[name]


def loss(training):
    return training.loss(-1)[0]


def without_gradients(training):
    with torch.no_grad():
        return loss(training)


def outside(function):
    """``function`` where gradients are off, and what it computes from the parameters where they are on again."""

    def computed(training):
        with torch.no_grad():
            function(training)
        return loss(training)

    return computed


NO_GRADIENT = {
    ("curvature", "no_grad"): (CURVED, without_gradients, outside(lambda training: training.loss(-1))),
    ("curvature", "detach"): (LONG, lambda training: loss(training).detach(), loss),
    ("batch", "item"): (SAME, lambda training: loss(training).item(), loss),
    ("overlap", "detach"): (SHARED, lambda training: loss(training).detach(), loss),
}


def no_gradient(name, fault):
    recipe, broken, whole = NO_GRADIENT[name, fault]
    return Case(
        f"no gradient: {name} {fault}",
        TypeError,
        lambda: calling(recipe, name, broken),
        f"The {name} callable returned a loss without a gradient",
        {
            "compute it from the model's parameters, outside torch.no_grad() and without detach() or item()": (
                lambda _: calling(recipe, name, whole)
            )
        },
    )


def penalised(training):
    """The loss and the squared length of its gradient."""
    with torch.enable_grad():
        value = loss(training)
        gradients = torch.autograd.grad(value, list(training.model.parameters()))
    return value.detach() + sum(g.square().sum() for g in gradients)


def linear(training):
    outputs = training.loss(-1)[1]
    return outputs.mean(), outputs


def entropy(training):
    outputs = training.loss(-1)[1]
    return nn.functional.cross_entropy(outputs, torch.arange(len(outputs)) % 3), outputs


def other_outputs(training):
    value, outputs = training.loss(-1)
    return value, outputs.detach().clone().requires_grad_()


OUTPUTS = "let it return (loss, outputs) with the loss computed from those outputs"


class Stacked:
    """Three models side by side."""

    def __init__(self, monitor):
        self.w = nn.Parameter(torch.arange(6.0).view(3, 2))
        recipe = SHORT.but(cadence=Cadence(every=1))
        self.optimizer = QuasiNewton([self.w], recipe, lr=0.1, runs=3, monitor=lambda: monitor(self.w.square()))
        for _ in range(3):
            moves(self.optimizer)


CASES = [
    *(no_gradient(*key) for key in NO_GRADIENT),
    Case(
        "no loss",
        TypeError,
        lambda: calling(SHORT, "monitor", lambda training: None),
        "The monitor callable returned None, which is NoneType",
        {"it must return the loss, a tensor with one value for each run": lambda _: calling(SHORT, "monitor", loss)},
    ),
    Case(
        "one loss for each run",
        ValueError,
        lambda: Stacked(lambda squares: squares.mean()),
        "The monitor callable returned shape ()",
        {
            "it must return one loss for each of the 3 run(s): reduce over the batch, not over the runs": (
                lambda _: Stacked(lambda squares: squares.mean(dim=1))
            )
        },
    ),
    Case(
        "one loss",
        ValueError,
        lambda: calling(SHORT, "monitor", lambda training: training.loss(-1)[1].square()),
        "The monitor callable returned shape (8, 3)",
        {
            "it must return one loss for each of the 1 run(s): reduce over the batch, not over the runs": (
                lambda _: calling(SHORT, "monitor", lambda training: training.loss(-1)[1].square().mean())
            )
        },
    ),
    Case(
        "monitor with gradients",
        RuntimeError,
        lambda: calling(SHORT, "monitor", lambda training: loss(training).backward()),
        "The monitor callable asks for gradients (element 0 of tensors does not require grad",
        {
            "let it return the loss and no more": lambda _: calling(SHORT, "monitor", loss),
            "compute under torch.enable_grad() inside it": lambda _: calling(SHORT, "monitor", penalised),
        },
    ),
    Case(
        "no outputs",
        TypeError,
        lambda: calling(GAUSS_NEWTON, "curvature", loss),
        # sentence proposed
        "The curvature callable returned Tensor, and Gauss-Newton products need the model's outputs",
        {
            OUTPUTS: lambda _: calling(GAUSS_NEWTON, "curvature", lambda training: training.loss(-1))
        },  # sentence proposed
    ),
    Case(
        "other outputs",
        TypeError,
        lambda: calling(GAUSS_NEWTON, "curvature", other_outputs),
        "The curvature callable's loss does not depend on the outputs which it returned",  # sentence proposed
        {
            OUTPUTS: lambda _: calling(GAUSS_NEWTON, "curvature", lambda training: training.loss(-1))
        },  # sentence proposed
    ),
    Case(
        "linear loss",
        TypeError,
        lambda: calling(GAUSS_NEWTON, "curvature", linear),
        "Gauss-Newton products need the loss's Hessian in the outputs, and this loss is linear in them",
        {
            "take a loss with a second derivative, such as cross-entropy": lambda _: calling(
                GAUSS_NEWTON, "curvature", entropy
            ),
            "other pairs, such as HessianVector()": lambda words: calling(
                GAUSS_NEWTON.but(pairs=evaluated(words.rpartition("such as ")[2])), "curvature", linear
            ),
        },
    ),
]
