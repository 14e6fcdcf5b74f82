"""Kinds and sizes of models, and one model of torch's own layers: embedding, recurrent layers, read-out."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from studies.errors import InputError, one_of, require_at_least
from studies.tasks.task import Batch, Shape


class RecurrentModel(nn.Module):
    """(B, T) indices, or (B, T, features), to (B, T, outputs); the state starts at zero. No dropout."""

    def __init__(self, embedding: nn.Embedding | None, cell: nn.RNNBase, readout: nn.Linear, shape: Shape) -> None:
        super().__init__()
        self.embedding, self.cell, self.readout, self.shape = embedding, cell, readout, shape

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (B, T, outputs): the logits of each next symbol, for a language model."""
        states, _ = self.cell(inputs if self.embedding is None else self.embedding(inputs))
        outputs: Tensor = self.readout(states)
        return outputs

    def loss(self, batch: Batch) -> Tensor:
        """Return the task's mean loss, a 0-dim tensor."""
        outputs = self(batch[0]).transpose(0, 1)
        return self.shape.objective(outputs.unsqueeze(0), batch[1].unsqueeze(0))[0]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A model's kind and sizes; `build` makes one.

    ``unit`` is ``"lstm"``, or the non-linearity of a simple recurrent network. Sizes are counts of units.
    ``dropout``: the probability with which training drops an output of a layer on its way up, never on its way to
    the next step (Zaremba, Sutskever and Vinyals 2014); embedded inputs are not dropped.
    """

    unit: Literal["lstm", "tanh", "relu"]
    layers: int = 1
    embedding: int = 32
    hidden: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("layers", "embedding", "hidden"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} leaves no model: it must be 1 or more.")
        if not 0.0 <= self.dropout < 1.0:
            raise InputError(f"dropout={self.dropout} is no probability that leaves a unit: give 0 or more, below 1.")

    @property
    def gates(self) -> int:
        """Pre-activations of a layer: 4 for each unit of an LSTM, 1 otherwise."""
        return self.hidden * (4 if self.unit == "lstm" else 1)

    def build(self, shape: Shape | int, seed: int) -> RecurrentModel:
        """Return a model for the shape, or for so many symbols; the seed is the parameters, bit for bit."""
        shape = Shape(inputs=shape, outputs=shape) if isinstance(shape, int) else shape
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            embedding = nn.Embedding(shape.inputs, self.embedding) if shape.tokens else None
            cell = self.cell(self.embedding if shape.tokens else shape.inputs)
            return RecurrentModel(embedding, cell, nn.Linear(self.hidden, shape.outputs), shape)

    def cell(self, inputs: int, device: str = "cpu") -> nn.RNNBase:
        """Return torch's recurrent layers for inputs of so many numbers, with their starting parameters."""
        if self.unit == "lstm":
            return nn.LSTM(inputs, self.hidden, self.layers, batch_first=True, device=device)
        kind = nn.RNN(inputs, self.hidden, self.layers, nonlinearity=self.unit, batch_first=True, device=device)
        if self.unit == "relu":
            _start_at_identity(kind)
        return kind


def _start_at_identity(cell: nn.RNN) -> None:
    # Le, Jaitly and Hinton (2015): a ReLU network starts as an accumulator, so gradients neither vanish nor
    # explode through time. torch's uniform start gives a recurrent matrix of spectral radius below 0.6. Only the
    # lowest layer: a stack of accumulators sums its sums, and starts with a loss of ten times a guess's.
    with torch.no_grad():
        nn.init.eye_(cell.get_parameter("weight_hh_l0"))
        for name, parameter in cell.named_parameters():
            if name.startswith("bias"):
                parameter.zero_()


MODELS = {
    "lstm": Architecture(unit="lstm"),
    "lstm-2": Architecture(unit="lstm", layers=2),
    "lstm-2-dropout": Architecture(unit="lstm", layers=2, hidden=128, dropout=0.5),
    "rnn-tanh": Architecture(unit="tanh"),
    "rnn-tanh-3": Architecture(unit="tanh", layers=3),
    "rnn-relu": Architecture(unit="relu"),
    "rnn-relu-3": Architecture(unit="relu", layers=3),
}
"""The models that ``--model`` knows."""


def architecture(name: str, *, hidden: int | None = None, layers: int | None = None) -> Architecture:
    """Return the model of that name, with other sizes where they are given, or refuse with the known names."""
    require_at_least(1, hidden=hidden, layers=layers)
    named = MODELS[one_of("model", name, MODELS)]
    return replace(named, hidden=hidden or named.hidden, layers=layers or named.layers)
