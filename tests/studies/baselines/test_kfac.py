"""K-FAC: the maps are the model's, the factors their moments, the step what the factors say."""

from dataclasses import replace

import pytest
import torch

from studies.baselines.kfac import KFac, KFacOptimizer
from studies.models import MODELS, BatchedModel, linear_maps
from studies.tasks import AddingTask, MarkovTask, Task
from studies.training.data import TrainingData

SMALL = {name: replace(MODELS[name], embedding=3, hidden=4) for name in ("lstm-2", "rnn-tanh")}
TASKS: list[Task] = [MarkovTask(symbols=4, length=5, batch_size=6, held_out=4), AddingTask(length=4, batch_size=6)]
RUNS = 2


def at(name: str, task: Task) -> tuple[BatchedModel, TrainingData]:
    model = BatchedModel(SMALL[name], [SMALL[name].build(task.shape, seed) for seed in range(RUNS)]).double()
    present = TrainingData(model, task, list(range(RUNS)))
    present.advance()
    if not task.shape.tokens:  # numbers, to the model's precision
        present._batch = tuple(part.double() for part in present._batch)  # type: ignore[union-attr, assignment]
    return model, present


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("task", TASKS, ids=["symbols", "numbers"])
def test_inputs_times_slopes_are_the_gradients_of_all_parameters(name: str, task: Task) -> None:
    """sum_n g_n a_n' = dW and sum_n g_n = db, for the loss itself: each map is where it says it is."""
    model, present = at(name, task)
    assert present._batch is not None
    outputs, maps = linear_maps(model, present._batch[0])
    losses = task.shape.objective(outputs, present._batch[1])
    torch.testing.assert_close(losses, present.loss())
    slopes = torch.autograd.grad(losses.sum(), [each.outputs for each in maps])
    wanted = torch.autograd.grad(present.loss().sum(), list(model.weights))
    seen = set()
    for each, slope in zip(maps, slopes, strict=True):
        g = slope.flatten(1, 2)
        inputs = each.inputs
        if inputs.dim() == 2:
            inputs = torch.nn.functional.one_hot(inputs, task.shape.inputs).double()
            torch.testing.assert_close(inputs.mT @ g, wanted[each.weight])
        else:
            torch.testing.assert_close(g.mT @ inputs, wanted[each.weight])
        seen.add(each.weight)
        if each.bias is not None:
            torch.testing.assert_close(g.sum(1), wanted[each.bias])
            seen.add(each.bias)
    assert seen == set(range(len(list(model.weights))))


def stepped(method: KFac, name: str = "lstm-2") -> tuple[BatchedModel, TrainingData, KFacOptimizer, list[torch.Tensor]]:
    model, present = at(name, TASKS[0])
    optimizer = method.build(list(model.weights), [0.5, 0.25], present.callables)
    assert isinstance(optimizer, KFacOptimizer)
    before = [p.detach().clone() for p in model.weights]
    present.loss().sum().backward()
    optimizer.step()
    return model, present, optimizer, before


def test_the_step_solves_with_both_factors() -> None:
    """(G + ..) U (A + ..) = dW for the readout, whose factors are formed here by hand."""
    model, _, optimizer, before = stepped(KFac(damping=0.04, trust=1e9))
    block = optimizer._blocks[-1]
    assert block.bias is not None
    assert block.weight.grad is not None
    assert block.bias.grad is not None
    moved = torch.cat((before[-2] - model.weights[-2], (before[-1] - model.weights[-1]).unsqueeze(2)), dim=2).detach()
    U = moved / torch.tensor([0.5, 0.25]).view(-1, 1, 1)
    pi = (block.a.diagonal(dim1=1, dim2=2).mean(1) / block.g.diagonal(dim1=1, dim2=2).mean(1)).sqrt().view(-1, 1, 1)
    A, G = block.a + 0.2 * pi * torch.eye(5), block.g + 0.2 / pi * torch.eye(4)
    gradient = torch.cat((block.weight.grad, block.bias.grad.unsqueeze(2)), dim=2)
    torch.testing.assert_close(G @ U @ A, gradient)
    # The homogeneous coordinate: its own second moment is 1, its products with the inputs are their means.
    torch.testing.assert_close(block.a[:, -1, -1], torch.ones(RUNS, dtype=torch.float64))


def test_many_outputs_have_their_own_moments_only() -> None:
    whole, _, full, _ = stepped(KFac(damping=0.04, trust=1e9))
    single, _, sparse, before = stepped(KFac(damping=0.04, trust=1e9, largest=3))
    for block, other in zip(full._blocks[1:], sparse._blocks[1:], strict=True):
        torch.testing.assert_close(other.g, block.g.diagonal(dim1=1, dim2=2))
    block = sparse._blocks[-1]
    moved = torch.cat((before[-2] - single.weights[-2], (before[-1] - single.weights[-1]).unsqueeze(2)), 2).detach()
    U = moved / torch.tensor([0.5, 0.25]).view(-1, 1, 1)
    pi = (block.a.diagonal(dim1=1, dim2=2).mean(1) / block.g.mean(1)).sqrt().view(-1, 1, 1)
    assert block.weight.grad is not None
    assert block.bias is not None
    assert block.bias.grad is not None
    gradient = torch.cat((block.weight.grad, block.bias.grad.unsqueeze(2)), dim=2)
    torch.testing.assert_close((block.g.unsqueeze(2) + 0.2 / pi) * (U @ (block.a + 0.2 * pi * torch.eye(5))), gradient)
    assert not torch.allclose(whole.weights[-2], single.weights[-2])


def test_slopes_are_of_one_sequences_loss() -> None:
    """G's trace for the readout is the mean of |p - drawn|^2, which for four symbols lies between 0 and 2."""
    _, present, optimizer, _ = stepped(KFac())
    trace = optimizer._blocks[-1].g.diagonal(dim1=1, dim2=2).sum(1)
    assert present._batch is not None
    charged = (present._batch[1] >= 0).double().mean()
    # Only charged places carry a slope, each 1/charged of a place's share.
    assert ((trace * charged > 0.3) & (trace * charged < 2.0)).all()


def test_no_step_is_longer_than_trusted() -> None:
    """A step d that is too long is shortened to lr sqrt(trust / (lr^2 d'g)) d, in one direction for all maps."""
    model, _, _, before = stepped(KFac(trust=1e9))
    short, _, _, _ = stepped(KFac(trust=1e-6))
    lr = torch.tensor([0.5, 0.25], dtype=torch.float64)
    free = [(old - p.detach()) for p, old in zip(model.weights, before, strict=True)]  # lr d
    length = sum((d * p.grad).flatten(1).sum(1) for d, p in zip(free, model.weights, strict=True))
    factor = (1e-6 / (lr * length)).sqrt()
    assert (factor < 0.5).all()
    for d, p, old in zip(free, short.weights, before, strict=True):
        torch.testing.assert_close(old - p.detach(), factor.view(-1, *(1,) * (d.dim() - 1)) * d, rtol=1e-6, atol=1e-12)


def test_a_run_that_is_not_finite_keeps_it_to_itself() -> None:
    results = []
    for strike in (False, True):
        model, present = at("rnn-tanh", TASKS[0])
        if strike:
            with torch.no_grad():
                model.weights[2][1] = torch.nan
        optimizer = KFac(every=1).build(list(model.weights), [0.1, 0.1], present.callables)
        for _ in range(2):
            optimizer.zero_grad()
            present.loss().sum().backward()
            optimizer.step()
        results.append([p.detach()[0] for p in model.weights])
    for calm, struck in zip(*results, strict=True):
        assert torch.equal(calm, struck)


def test_rates_are_read_at_every_step() -> None:
    model, present, optimizer, _ = stepped(KFac(trust=1e9))
    rates = optimizer.param_groups[0]["lr"]
    assert rates.dtype == torch.float64
    rates.copy_(torch.tensor([0.0, 0.25]))
    before = [p.detach().clone() for p in model.weights]
    present.loss().sum().backward()
    optimizer.step()
    for p, old in zip(model.weights, before, strict=True):
        assert torch.equal(p[0], old[0])
        assert not torch.equal(p[1], old[1])
