"""What a pair hook is told, when, and that training does not feel it."""

import copy
import pickle

import pytest
import torch

from adaqn_lab import ADAQN, CautiousSS, EventKind, SampledHessian, Window
from adaqn_lab.recipes import ALL
from tests.adaqn_lab.training import SHORT, UNGUARDED, Training

MULTIPLE = [named.recipe for named in ALL if isinstance(named.recipe.pairs, SampledHessian)]


def watched(recipe=UNGUARDED, **options):
    training, told = Training(recipe, **options), []
    handle = training.optimizer.register_pair_hook(lambda *pair: told.append(pair))
    return training, told, handle


def test_it_is_told_every_pair_that_is_offered_with_the_verdict():
    training, told, _ = watched()
    training.train(*range(12))
    assert len(told) == 4
    assert [bool(move.where) for _, move, _, _ in told] == [False, True, True, True]  # the first window has no pair
    events = [event for event in training.optimizer.events if event.kind is not EventKind.REFERENCE]
    for (optimizer, move, y, verdict), event in zip(told[1:], events, strict=True):
        assert optimizer is training.optimizer
        assert torch.equal(move.w_bar - move.w_ref, move.s) or torch.allclose(move.w_bar - move.w_ref, move.s)
        assert float(verdict.s_y) == event.s_y == pytest.approx(float((move.s * y).sum()), rel=1e-5)
        assert bool(verdict.admitted) == (event.kind is EventKind.ADMITTED)


def test_it_sees_refused_pairs_too():
    training, told, _ = watched(UNGUARDED.but(memory=Window(test=CautiousSS(eps=1e9))))
    training.train(*range(9))
    assert not any(bool(verdict.admitted) for *_, verdict in told)
    assert float(told[-1][2].norm()) > 0


def test_the_copies_are_those_of_the_pair_that_is_held():
    training, told, _ = watched()
    training.train(*range(9))
    memory = training.optimizer.state[next(training.model.parameters())]
    _, move, y, verdict = told[-1]
    assert bool(verdict.admitted)
    newest = int(memory["memory.head"]) - 1
    assert torch.equal(memory["memory.s"][:, newest], move.s)
    assert torch.equal(memory["memory.y"][:, newest], y)


@pytest.mark.parametrize(
    "recipe", [UNGUARDED, SHORT, ADAQN.but(cadence=SHORT.cadence)], ids=["no guard", "short", "adaqn"]
)
def test_training_does_not_feel_it(recipe):
    training, _, _ = watched(recipe)
    alone = Training(recipe)
    assert torch.equal(training.train(*range(20)).weights, alone.train(*range(20)).weights)
    assert all(torch.equal(a, b) for a, b in zip(training.memory.values(), alone.memory.values(), strict=True))
    assert training.optimizer.oracle_calls == alone.optimizer.oracle_calls


@pytest.mark.parametrize("recipe", MULTIPLE)
def test_every_pair_of_a_generator_with_pairs_of_its_own(recipe):
    training, told, _ = watched(recipe.but(guard=None))
    training.train(*[k % 40 for k in range(2 * recipe.cadence.every)])
    assert len(told) == 2 * recipe.pairs.count


def test_it_is_called_until_it_is_removed():
    training, told, handle = watched()
    training.train(*range(6))
    handle.remove()
    training.train(*range(6))
    assert len(told) == 2


def test_copies_and_pickles_have_no_hooks():
    training, told, _ = watched()
    training.train(*range(3))
    copies = copy.deepcopy(training), pickle.loads(pickle.dumps(training.optimizer))
    assert isinstance(copies[1], type(training.optimizer))
    copies[0].train(*range(6))
    assert len(told) == 1
    training.train(*range(3))
    assert len(told) == 2
    copies[0].optimizer.register_pair_hook(lambda *pair: told.append(pair))
    copies[0].train(*range(6))
    assert len(told) == 4


def test_nothing_is_copied_where_nobody_watches():
    training, _, handle = watched()
    handle.remove()
    training.train(*range(6))
    assert training.optimizer._algorithm.tried is None


def test_a_hook_that_raises_leaves_the_step_made():
    training, alone = Training(UNGUARDED), Training(UNGUARDED)
    handle = training.optimizer.register_pair_hook(lambda *_: 1 / 0)
    training.train(0, 1)
    with pytest.raises(ZeroDivisionError):
        training.train(2)
    handle.remove()
    training.train(3, 4, 5, 6)
    assert torch.equal(training.weights, alone.train(*range(7)).weights)


def test_a_window_that_a_raising_callable_left_is_told_when_it_is_decided():
    losses = iter([1.0, ZeroDivisionError, *[0.5] * 20])

    def monitor():
        loss = next(losses)
        if loss is ZeroDivisionError:
            raise loss
        return loss

    training, told, _ = watched(SHORT, monitor=monitor)
    training.train(0, 1, 2)
    assert len(told) == 1
    with pytest.raises(ZeroDivisionError):
        training.train(3, 4, 5)
    assert len(told) == 1
    training.train(6)
    assert len(told) == 2
