"""Models: reproducible, of the stated kind, trainable."""

from dataclasses import replace

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


def test_other_sizes() -> None:
    assert architecture("lstm-2-dropout", hidden=9) == replace(MODELS["lstm-2-dropout"], hidden=9)
    assert architecture("rnn-tanh", layers=3) == MODELS["rnn-tanh-3"]
    assert architecture("lstm", hidden=64, layers=1) == architecture("lstm") == MODELS["lstm"]
    for sizes in ({"hidden": 0}, {"layers": -1}):
        with pytest.raises(InputError, match="is too small"):
            architecture("lstm", **sizes)
