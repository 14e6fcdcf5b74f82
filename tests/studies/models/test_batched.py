"""R models side by side are R models: of torch's own layers, to rounding, in value, gradient and curvature."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from studies.models import MODELS, Architecture, BatchedModel
from studies.tasks import AddingTask, Shape
from studies.tasks.task import Batch

RUNS, BATCH, STEPS, SYMBOLS = 3, 4, 6, 7
SMALL = {name: replace(kind, embedding=5, hidden=6, dropout=0.0) for name, kind in MODELS.items()}


def made(kind: Architecture, symbols: int = SYMBOLS) -> tuple[BatchedModel, Batch]:
    shape = Shape(inputs=symbols, outputs=symbols)
    generator = torch.Generator().manual_seed(1)
    batch = tuple(torch.randint(symbols, (RUNS, BATCH, STEPS), generator=generator) for _ in range(2))
    return BatchedModel(kind, [kind.build(shape, seed) for seed in range(RUNS)]).double(), batch


def gradients(loss: Tensor, model: torch.nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("name", SMALL)
def test_each_run_is_the_model_of_torchs_layers(name: str, twice: bool) -> None:
    together, batch = made(SMALL[name])
    losses, _, _ = together.losses(batch, twice=twice)
    found = gradients(losses.sum(), together)
    for run in range(RUNS):
        model = together.run(run).double()
        loss = model.loss((batch[0][run], batch[1][run]))
        # float64 against float64: what is left is rounding, and the hand-written tanh's.
        torch.testing.assert_close(losses[run], loss, rtol=1e-12, atol=0.0)
        for mine, theirs in zip(found, gradients(loss, model), strict=True):
            torch.testing.assert_close(mine[run], theirs, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", ["lstm-2", "rnn-tanh", "rnn-relu"])
def test_in_float32_to_its_rounding(name: str) -> None:
    together, batch = made(SMALL[name])
    exact = gradients(together.losses(batch)[0].sum(), together)
    rounded = gradients(together.float().losses(batch)[0].sum(), together)
    for mine, truth in zip(rounded, exact, strict=True):
        assert float((mine - truth).abs().max()) < 32 * torch.finfo(torch.float32).eps * max(1.0, float(truth.norm()))


def test_many_symbols_take_the_other_way_to_the_same_gates() -> None:
    few, batch = made(SMALL["lstm"])
    many, _ = made(SMALL["lstm"], symbols=BATCH * STEPS + 1)
    losses = many.losses(batch)[0]
    found = gradients(losses.sum(), many)
    for run in range(RUNS):
        model = many.run(run).double()
        loss = model.loss((batch[0][run], batch[1][run]))
        torch.testing.assert_close(losses[run], loss, rtol=1e-12, atol=0.0)
        torch.testing.assert_close(found[0][run], gradients(loss, model)[0], rtol=1e-9, atol=1e-13)
    assert few.weights[0].shape[1] < many.weights[0].shape[1]


def test_numbers_go_in_without_an_embedding() -> None:
    kind, task = SMALL["lstm"], AddingTask(length=6, batch_size=BATCH, held_out=2)
    together = BatchedModel(kind, [kind.build(task.shape, seed) for seed in range(RUNS)])
    inputs, targets = task.monitor(0)
    losses, _, _ = together.losses((inputs.expand(RUNS, -1, -1, -1), targets.expand(RUNS, -1)))
    for run in range(RUNS):
        torch.testing.assert_close(losses[run], together.run(run).loss((inputs, targets)))


@pytest.mark.parametrize("runs", [1, RUNS])
@pytest.mark.parametrize("name", ["lstm-2", "rnn-relu"])
def test_a_carried_state_continues_the_sequence(name: str, runs: int) -> None:
    kind = SMALL[name]
    shape = Shape(inputs=SYMBOLS, outputs=SYMBOLS)
    together = BatchedModel(kind, [kind.build(shape, seed) for seed in range(runs)])
    inputs = torch.randint(SYMBOLS, (runs, BATCH, STEPS), generator=torch.Generator().manual_seed(2))
    whole, _ = together.outputs(inputs, None, twice=False, dropout=())
    first, state = together.outputs(inputs[..., :2], None, twice=False, dropout=())
    second, _ = together.outputs(inputs[..., 2:], state, twice=False, dropout=())
    torch.testing.assert_close(torch.cat((first, second), dim=1), whole)
    assert not any(part.requires_grad for layer in state for part in layer)


def test_a_run_that_is_not_finite_keeps_it_to_itself() -> None:
    together, batch = made(SMALL["lstm-2"])
    clean = gradients(together.losses(batch)[0].sum(), together)
    with torch.no_grad():
        together.weights[1][1] = torch.nan
    losses = together.losses(batch)[0]
    assert losses.isfinite().tolist() == [True, False, True]
    for mine, before in zip(gradients(losses.sum(), together), clean, strict=True):
        assert torch.equal(mine[[0, 2]], before[[0, 2]])


def test_a_second_backward_pass_is_refused_and_twice_allows_it() -> None:
    together, batch = made(SMALL["lstm"])
    loss = together.losses(batch)[0].sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="runs once"):
        loss.backward()
    first = torch.autograd.grad(together.losses(batch)[0].sum(), list(together.weights), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first[2].sum().backward()
    first = torch.autograd.grad(together.losses(batch, twice=True)[0].sum(), list(together.weights), create_graph=True)
    first[2].square().sum().backward()
    assert all(p.grad is not None for p in together.weights)


def test_dropout_drops_for_each_run_by_its_own_numbers() -> None:
    kind = replace(SMALL["lstm-2"], hidden=40, dropout=0.5)
    together, batch = made(kind)
    alone = BatchedModel(kind, [together.run(1)]).double()

    def numbers(run: int) -> torch.Generator:
        return torch.Generator().manual_seed(run)

    losses, _, _ = together.losses(batch, dropout=[numbers(run) for run in range(RUNS)])
    own = alone.losses((batch[0][1:2], batch[1][1:2]), dropout=[numbers(1)])[0]
    torch.testing.assert_close(losses[1:2], own, rtol=1e-12, atol=0.0)
    assert not torch.allclose(losses, together.losses(batch)[0], rtol=1e-6)
    many = torch.stack([alone.losses((batch[0][1:2], batch[1][1:2]), dropout=[numbers(n)])[0] for n in range(200)])
    # Kept units are scaled up, so that a layer above sees the same mean: losses stay close, not equal.
    torch.testing.assert_close(many.mean(0), together.losses(batch)[0][1:2], rtol=0.05, atol=0.0)
