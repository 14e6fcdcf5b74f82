"""Models: reproducible, of the stated kind, trainable."""

import pytest
import torch

from studies.errors import InputError
from studies.models import MODELS, architecture
from studies.tasks import CharacterTask, Text


@pytest.mark.parametrize("name", MODELS)
def test_starts_near_the_uniform_loss_and_has_gradients(name: str, text: Text) -> None:
    task = CharacterTask(text)
    model = architecture(name).build(task.symbols, seed=0)
    loss = model.loss(next(task.batches(0)))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(torch.log(torch.tensor(task.symbols))), rel=0.2)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_seed_is_the_model() -> None:
    one, same, other = (MODELS["lstm-2"].build(11, seed) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.readout.weight, other.readout.weight)
    assert one.cell.num_layers == 2


def test_a_relu_network_starts_at_the_identity() -> None:
    cell = MODELS["rnn-relu"].build(11, 0).cell
    assert torch.equal(cell.weight_hh_l0, torch.eye(64))


def test_refuses_an_unknown_model() -> None:
    with pytest.raises(InputError, match=r"lstm, lstm-2, .*rnn-relu"):
        architecture("transformer")
