"""Training with an audit is bit for bit training without it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

import adaqn_lab as lab
from tests.verification.curvature.planted import Network
from verification import BadSubjectError, audit
from verification.curvature.untouched import untouched

GENERATORS = {"fisher": None, "gauss-newton": lab.GaussNewton(), "hessian": lab.HessianVector()}


def lbfgs(parameters):
    return torch.optim.LBFGS(parameters, lr=0.5, max_iter=3, history_size=5)


def everything(training):
    """All that training depends on."""
    state = training.optimizer.state_dict()["state"]
    tensors = {
        f"{key}.{name}": torch.stack(value)
        if isinstance(value, list) and value and torch.is_tensor(value[0])
        else value
        for key, entry in state.items()
        for name, value in entry.items()
    }
    return {
        **{name: x.detach().clone() for name, x in training.model.state_dict().items()},
        **{name: x.clone() for name, x in tensors.items() if isinstance(x, torch.Tensor)},
        **{f"grad {k}": p.grad.clone() for k, p in enumerate(training.model.parameters())},
        "torch": torch.get_rng_state(),
        "python": hash(random.getstate()),
        "numpy": hash(np.random.get_state()[1].tobytes()),
        "modes": [module.training for module in training.model.modules()],
        "calls": getattr(training.optimizer, "oracle_calls_by_need", None),
    }


def same(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        if isinstance(value, torch.Tensor):
            assert torch.allclose(value, b[name], rtol=0, atol=0, equal_nan=True), name
        else:
            assert value == b[name], name


def wild(training):
    """A callable which does all that it should not: modes, random numbers of all kinds, backward."""

    def curvature():
        training.model.eval() if random.random() < 2 else None
        np.random.rand(3)
        loss, outputs = training.curvature()
        loss.backward(retain_graph=True)
        return loss, outputs

    return curvature


@pytest.mark.parametrize("matrix", ["gauss-newton", "hessian", "fisher"])
@pytest.mark.parametrize("pairs", GENERATORS)
@pytest.mark.parametrize("every", [1, 3])
def test_training_is_bit_for_bit_the_same(matrix, pairs, every):
    alone, seen = Network(GENERATORS[pairs]), None
    alone.train(31)
    expected = everything(alone)
    training = Network(GENERATORS[pairs])
    seen = audit(training.optimizer, training.curvature, matrix=matrix, every=every)
    training.train(31)
    assert len(seen.rows) >= 3
    same(everything(training), expected)


@pytest.mark.parametrize("optimizer", [None, lbfgs])
def test_a_callable_which_changes_everything_changes_nothing(optimizer):
    alone = Network(optimizer=optimizer).train(16)
    expected = everything(alone)
    training = Network(optimizer=optimizer)
    seen = audit(training.optimizer, wild(training), model=training.model)
    training.train(16)
    assert len(seen.rows) >= 3
    same(everything(training), expected)


def test_torch_lbfgs_trains_on_bit_for_bit():
    expected = everything(Network(optimizer=lbfgs).train(9))
    training = Network(optimizer=lbfgs)
    seen = audit(training.optimizer, training.curvature)
    training.train(9)
    assert len(seen.rows) >= 5
    same(everything(training), expected)


def test_a_callable_that_fails_leaves_training_as_it_was():
    alone = Network().train(16)
    expected = everything(alone)
    training = Network()
    found = audit(training.optimizer, lambda: 1 / 0)
    failures = 0
    for _ in range(16):
        try:
            training.train(1)
        except BadSubjectError:
            failures += 1
    assert failures >= 3
    assert found.rows == []
    same(everything(training), expected)


def test_the_audit_itself_can_be_repeated():
    def rows():
        training = Network()
        found = audit(training.optimizer, training.curvature)
        training.train(16)
        return found.rows

    assert rows() == rows()


def test_what_untouched_puts_back_is_the_same_tensor():
    training = Network().train(3)
    buffers = dict(training.model.named_buffers())
    values = {name: x.clone() for name, x in buffers.items()}
    grads = [p.grad for p in training.model.parameters()]
    with untouched(list(training.model.parameters()), None, seed=0):
        assert all(p.grad is None for p in training.model.parameters())
        training.curvature()
        training.model[1].num_batches_tracked = torch.tensor(100)
    after = dict(training.model.named_buffers())
    assert all(after[name] is buffers[name] and torch.equal(after[name], values[name]) for name in buffers)
    assert all(p.grad is grad for p, grad in zip(training.model.parameters(), grads, strict=True))
