"""Character models: embedding, recurrent layers, linear read-out."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from studies.refusal import Refusal, one_of
from studies.tasks.characters import Batch


class CharacterModel(nn.Module):
    """Logits of the next character: (B, T) indices to (B, T, symbols); the state starts at zero."""

    def __init__(self, embedding: nn.Embedding, cell: nn.RNNBase, readout: nn.Linear) -> None:
        super().__init__()
        self.embedding, self.cell, self.readout = embedding, cell, readout

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (B, T, symbols) of each next character."""
        states, _ = self.cell(self.embedding(inputs))
        logits: Tensor = self.readout(states)
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy in nats per character, a 0-dim tensor."""
        return self.loss_of(self(batch[0]), batch)

    @staticmethod
    def loss_of(logits: Tensor, batch: Batch) -> Tensor:
        """Return the same from the logits of the batch."""
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten())


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A character model's kind and sizes; `build` makes one.

    ``unit`` is ``"lstm"``, or the non-linearity of a simple recurrent network. Sizes are counts of units.
    """

    unit: Literal["lstm", "tanh", "relu"]
    layers: int = 1
    embedding: int = 32
    hidden: int = 64

    def __post_init__(self) -> None:
        for name in ("layers", "embedding", "hidden"):
            if getattr(self, name) < 1:
                raise Refusal(f"{name}={getattr(self, name)} leaves no model: it must be 1 or more.")

    def build(self, symbols: int, seed: int) -> CharacterModel:
        """Return a model for ``symbols`` characters; the same seed gives the same parameters, bit for bit."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            return CharacterModel(nn.Embedding(symbols, self.embedding), self._cell(), nn.Linear(self.hidden, symbols))

    def _cell(self) -> nn.RNNBase:
        if self.unit == "lstm":
            return nn.LSTM(self.embedding, self.hidden, self.layers, batch_first=True)
        cell = nn.RNN(self.embedding, self.hidden, self.layers, nonlinearity=self.unit, batch_first=True)
        if self.unit == "relu":
            _start_at_identity(cell)
        return cell


def _start_at_identity(cell: nn.RNN) -> None:
    # Le, Jaitly and Hinton (2015): a ReLU network starts as an accumulator, so gradients neither vanish nor
    # explode through time. torch's uniform start gives a recurrent matrix of spectral radius below 0.6.
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            if name.startswith("weight_hh"):
                nn.init.eye_(parameter)
            elif name.startswith("bias"):
                parameter.zero_()


MODELS = {
    "lstm": Architecture(unit="lstm"),
    "lstm-2": Architecture(unit="lstm", layers=2),
    "rnn-tanh": Architecture(unit="tanh"),
    "rnn-relu": Architecture(unit="relu"),
}
"""The models that ``--model`` knows."""


def architecture(name: str) -> Architecture:
    """Return the model of that name, or refuse with the known names."""
    return MODELS[one_of("model", name, MODELS)]
