"""Faults of a user's callable: named, and nothing is lost; monitors which leave the model as it is."""

import copy

import pytest
import torch
from torch import nn

from adaqn_lab import Cadence, EventKind, MonitorIncrease, evaluating
from adaqn_lab.recipes import SAMPLED_LBFGS, SQN
from tests.adaqn_lab.training import SHORT, Training, unchanged


class Sometimes:
    """A callable which fails while ``fault`` is set."""

    def __init__(self, training, fault=None):
        self.training, self.fault = training, fault

    def __call__(self):
        if self.fault is not None:
            return self.fault(self.training)
        return self.training.loss(-1)


def asks_for_gradients(training):
    training.loss(-1)[0].backward()


def raises(training):
    raise KeyError("no data")


FAULTS = {
    "gradients": (
        asks_for_gradients,
        RuntimeError,
        r"The monitor callable asks for gradients \(element 0 .*return the",
    ),
    "none": (
        lambda training: None,
        TypeError,
        r"monitor callable returned None, which is NoneType; it must return",
    ),
    "string": (lambda training: "1.5", TypeError, r"monitor callable returned '1.5', which is str; it must return"),
    "flag": (lambda training: True, TypeError, r"monitor callable returned True, which is bool; it must return"),
    "shape": (
        lambda training: torch.ones(7),
        ValueError,
        r"monitor callable returned shape \(7,\); it must return",
    ),
    "raises": (raises, KeyError, "no data"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_monitor_names_it_and_loses_nothing(name):
    """The window is decided at the next step, as it would have been."""
    fault, kind, words = FAULTS[name]
    training, honest = Training(SHORT), Training(SHORT).train(*range(11))
    monitor = training.optimizer._closures["monitor"] = Sometimes(training)
    training.train(*range(5))
    monitor.fault = fault
    training.gradients(5)
    with pytest.raises(kind, match=words) as caught:
        training.optimizer.step()
    if kind is KeyError:
        assert caught.value.__notes__ == ["The monitor callable raised this; the window is decided at the next step."]
    training.gradients(6)
    before = training.weights, training.memory
    with pytest.raises(kind):  # still broken
        training.optimizer.step()
    unchanged(training, before)
    monitor.fault = None
    training.optimizer.step()
    training.train(*range(7, 11))
    assert torch.equal(training.weights, honest.weights)
    assert repr(training.optimizer.events) == repr(honest.optimizer.events)


def test_a_postponed_roll_back_skips_the_gradient_of_the_point_left():
    recipe = SHORT.but(guard=MonitorIncrease())
    training = Training(recipe)
    monitor = training.optimizer._closures["monitor"] = Sometimes(training)
    training.train(*range(5))
    monitor.fault = raises
    with pytest.raises(KeyError):
        training.train(5)
    monitor.fault = lambda training: 1e9
    training.train(6)
    assert torch.equal(training.weights, training.memory["clock.reference"].flatten())
    assert [event.kind for event in training.optimizer.events][-2:] == [EventKind.ROLLED_BACK, EventKind.STEP_SKIPPED]


def test_an_undecided_window_survives_saving():
    training, resumed, honest = Training(SHORT), Training(SHORT), Training(SHORT).train(*range(11))
    monitor = training.optimizer._closures["monitor"] = Sometimes(training)
    training.train(*range(5))
    monitor.fault = raises
    with pytest.raises(KeyError):
        training.train(5)
    resumed.model.load_state_dict(training.model.state_dict())
    resumed.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
    resumed.train(*range(6, 11))
    assert torch.equal(resumed.weights, honest.weights)


CURVATURE = {
    "detached": lambda training: training.loss(-1)[0].detach(),
    "a number": lambda training: training.loss(-1)[0].item(),
    "none": lambda training: None,
}


@pytest.mark.parametrize("recipe", [SQN, SAMPLED_LBFGS])
@pytest.mark.parametrize("name", CURVATURE)
def test_a_fault_of_the_curvature_callable_names_it_and_loses_nothing(recipe, name):
    recipe = recipe.but(cadence=Cadence(every=3, always_advance=True), guard=None)
    training, honest = Training(recipe), Training(recipe).train(*range(11))
    curvature = training.optimizer._closures["curvature"] = Sometimes(training)
    training.train(*range(5))
    curvature.fault = CURVATURE[name]
    with pytest.raises(TypeError, match=r"The curvature callable returned .*; (compute it from|it must return)"):
        training.train(5)
    curvature.fault = None
    training.train(*range(6, 11))
    assert torch.equal(training.weights, honest.weights)


def test_a_monitor_wrapped_by_evaluating_changes_nothing_in_the_model():
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 1))
    model[2].eval()
    modes = [module.training for module in model.modules()]
    x = torch.randn(8, 6)
    monitor = evaluating(model, lambda: model(x).square().mean())
    before = copy.deepcopy(model.state_dict())
    assert monitor() == monitor()
    assert all(torch.equal(old, new) for old, new in zip(before.values(), model.state_dict().values(), strict=True))
    assert [module.training for module in model.modules()] == modes

    broken = evaluating(model, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken()
    assert [module.training for module in model.modules()] == modes


def test_without_it_the_monitor_teaches_batch_normalisation():
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5))
    model(torch.randn(8, 6))
    assert model[1].num_batches_tracked == 1
