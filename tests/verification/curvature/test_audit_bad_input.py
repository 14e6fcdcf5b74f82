"""What cannot be audited is told in one sentence."""

from __future__ import annotations

import pytest
import torch

import adaqn_lab as lab
from tests.verification.curvature.planted import Network, Planted, Quadratic, matrix, recipe
from verification import BadSubjectError, audit


def one_sentence(error, *words):
    text = str(error.value)
    for each in words:
        assert each in text, text
    assert text.endswith(".")
    assert "\n" not in text
    assert text.count(". ") == 0


W = torch.nn.Parameter(torch.ones(3))
BEFORE = {
    "Adam": (lambda: audit(torch.optim.Adam([W]), lambda: W.sum()), "Adam makes no curvature pairs"),
    "nothing": (lambda: audit(None, lambda: W.sum()), "NoneType makes no curvature pairs"),
    "no pairs": (
        lambda: audit(lab.QuasiNewton([W], recipe(None), lr=0.1), lambda: W.sum()), "the recipe has pairs=None"
    ),
    "graphs": (
        lambda: audit(lab.QuasiNewton([W], recipe(lab.EmpiricalFisher()), lr=0.1, graphs=True), lambda: W.sum()),
        "a pair hook is not called by the steps which graphs=True replays",
    ),
    "no callable": (lambda: audit(Quadratic(Planted(matrix())).optimizer, 3.0), "curvature=3.0 cannot be called"),
    "matrix": (
        lambda: audit(Quadratic(Planted(matrix())).optimizer, lambda: 0, matrix="newton"),
        "matrix='newton' is none of hessian, gauss-newton, fisher",
    ),
    "every": (lambda: audit(Quadratic(Planted(matrix())).optimizer, lambda: 0, every=0), "every=0 is too few"),
    "probes": (lambda: audit(Quadratic(Planted(matrix())).optimizer, lambda: 0, probes=0), "probes=0 is too few"),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_before_training(name):
    trigger, words = BEFORE[name]
    with pytest.raises(BadSubjectError) as error:
        trigger()
    one_sentence(error, words)


@pytest.mark.parametrize("tell", ["summary", "table", "json"])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_an_optimizer_before_its_first_pair(tell, steps):
    training = Quadratic(Planted(matrix()))
    found = audit(training.optimizer, training.loss)
    training.train(steps)
    with pytest.raises(BadSubjectError) as error:
        getattr(found, tell)()
    one_sentence(error, "no window of QuasiNewton was looked at (0 made a pair)")


def test_a_window_that_was_never_chosen():
    training = Quadratic(Planted(matrix()))
    found = audit(training.optimizer, training.loss, every=lambda window: False)
    training.train(9)
    with pytest.raises(BadSubjectError, match="3 made a pair"):
        found.table()


FAILING = {
    "raises": (lambda w: 1 / 0, "the curvature callable raised ZeroDivisionError (division by zero)"),
    "nothing": (lambda w: None, "the curvature callable returned None"),
    "shape": (lambda w: w * 2, "the curvature callable returned shape (12,)"),
    "a number": (lambda w: 3.0, "returned a loss without a gradient"),
    "detached": (lambda w: (w * w).sum().detach(), "returned a loss without a gradient"),
    "a string": (lambda w: "loss", "the curvature callable returned 'loss'"),
    "NaN": (lambda w: (w * float("nan")).sum(), None),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_callable_that_fails(name):
    curvature, words = FAILING[name]
    training = Quadratic(Planted(matrix()))
    found = audit(training.optimizer, lambda: curvature(training.w))
    if words is None:
        training.train(8)
        return
    with pytest.raises(BadSubjectError) as error:
        training.train(8)
    one_sentence(error, words)
    assert found.rows == []


GAUSS_NEWTON = {
    "loss alone": (lambda w: (w * w).sum(), "gauss-newton", "Gauss-Newton products need the model's outputs"),
    "outputs of another": (lambda w: ((w * w).sum(), w * 2), "gauss-newton", "does not depend on the outputs"),
    "linear": (lambda w: (lambda o: (o.sum(), o))(w * w), "gauss-newton", "linear in them"),
    "fisher of a loss alone": (lambda w: (w * w).sum(), "fisher", "must return (loss, outputs)"),
    "fisher of squares": (
        lambda w: (lambda o: (o.square().sum(), o))(w.view(4, 3) * 2), "fisher", "is not softmax cross-entropy"
    ),
    "fisher of a linear loss": (lambda w: (lambda o: (o.sum(), o))(w.view(4, 3)), "fisher", "is not softmax"),
}  # fmt: skip


@pytest.mark.parametrize("name", GAUSS_NEWTON)
def test_outputs_that_are_none(name):
    curvature, kind, words = GAUSS_NEWTON[name]
    training = Quadratic(Planted(matrix()))
    audit(training.optimizer, lambda: curvature(training.w), matrix=kind)
    with pytest.raises(BadSubjectError) as error:
        training.train(8)
    one_sentence(error, words)


def test_it_can_be_repaired_while_training():
    training = Network()
    broken = [True]

    def curvature():
        if broken[0]:
            raise ValueError("no data yet")
        return training.curvature()

    found = audit(training.optimizer, curvature)
    with pytest.raises(BadSubjectError, match="no data yet"):
        training.train(30)
    broken[0] = False
    training.train(30)
    assert found.rows
