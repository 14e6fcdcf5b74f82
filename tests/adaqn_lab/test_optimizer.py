"""The face towards torch: options of groups, gradients which are missing, copies and older state dicts."""

import copy

import pytest
import torch
from torch import nn

from adaqn_lab import ADAQN, Decaying, Identity, QuasiNewton
from tests.adaqn_lab.small import SHORT
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.test_graphs import Run


@pytest.mark.parametrize("weight_decay", [0.0, 0.5, 1.0])
def test_weight_decay_is_added_and_groups_without_gradients_are_passed_over(weight_decay):
    free = ADAQN.but(scaling=Identity(), guard=None, pairs=None)
    first, without, third, partly = (nn.Parameter(torch.full((2,), 3.0)) for _ in range(4))
    groups = [{"params": [first]}, {"params": [without]}, {"params": [third, partly], "weight_decay": 0.25}]
    optimizer = QuasiNewton(groups, free, lr=0.1, weight_decay=weight_decay)
    for _ in range(2):  # the vector of the step before must not be seen again where nothing is
        first.grad, third.grad = torch.ones(2), torch.ones(2)
        w = [first.detach().clone(), third.detach().clone()]
        optimizer.step()
        torch.testing.assert_close(first.detach(), w[0] - 0.1 * (1.0 + weight_decay * w[0]))
        torch.testing.assert_close(third.detach(), w[1] - 0.1 * (1.0 + 0.25 * w[1]))
        assert torch.equal(without, torch.full((2,), 3.0))
        assert torch.equal(partly, torch.full((2,), 3.0))


def test_what_has_no_gradient_any_more_has_none_of_the_step_before():
    seen = []

    class Watching(Identity):
        def observe_(self, state, step):
            seen.append(step.g.clone())

    first, second = (nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = QuasiNewton([first, second], ADAQN.but(scaling=Watching(), guard=None, pairs=None), lr=0.1)
    for gradients in ((torch.ones(2), torch.ones(2)), (torch.ones(2), None), (None, torch.ones(2))):
        first.grad, second.grad = gradients
        optimizer.step()
    assert [g.tolist() for g in seen] == [[[1.0] * 4], [[1.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]]]


def test_a_copy_has_no_step_of_the_original_s_scheduler():
    w = nn.Parameter(torch.ones(2))
    optimizer = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 5)
    assert "step" in vars(optimizer)
    assert "step" not in vars(copy.deepcopy(optimizer))


def test_options_which_an_older_version_did_not_save_are_the_optimizer_s_own():
    def made():
        w = nn.Parameter(torch.ones(2))
        optimizer = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1, weight_decay=0.5, maximize=True)
        w.grad = torch.ones(2)
        optimizer.step()
        return optimizer

    saved = made().state_dict()
    for group in saved["param_groups"]:
        del group["maximize"], group["weight_decay"]
    loaded = made()
    assert loaded._algorithm.oracle.maximize is True
    loaded.load_state_dict(saved)
    assert [(group["maximize"], group["weight_decay"]) for group in loaded.param_groups] == [(True, 0.5)]
    assert loaded._algorithm.oracle.maximize is True
    own = loaded._algorithm
    for vector in (own.vector, own.clock.total, own.clock.reference):
        assert own.flat.views(vector) is own.flat.views(vector)


@pytest.mark.parametrize("lr", [0.0, torch.tensor(0.0)])
def test_a_first_step_which_goes_nowhere_makes_the_state_and_nothing_else(lr):
    w = nn.Parameter(torch.ones(2))
    optimizer = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1)
    optimizer.param_groups[0]["lr"] = lr  # as tools do which want the state made
    w.grad = torch.zeros(2)
    optimizer.step()
    assert optimizer.state[w]["step"] == 0
    assert optimizer.state[w]["memory.count"].tolist() == [0]


def test_a_step_is_skipped_by_the_run_whose_gradient_is_not_finite():
    w = nn.Parameter(torch.ones(2, 3))
    optimizer = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1, runs=2)
    w.grad = torch.ones(2, 3)
    w.grad[1, 0] = torch.nan
    optimizer.step()
    assert [(e.run, e.reason) for e in optimizer.events] == [(1, "the gradient was not finite")]


def test_a_replayed_step_knows_its_number():
    recipe = SHORT["ADAQN"].but(stepper=Decaying(tau=3.0))
    assert Run(recipe, record).train(0, 14).same_as(Run(recipe).train(0, 14))
