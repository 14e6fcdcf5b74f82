"""R models side by side: every parameter has a leading dimension R, every product is a batched one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from studies.models.architecture import Architecture, RecurrentModel
from studies.models.lstm import State, lstm, lstm_twice
from studies.models.simple import relu_layer, relu_twice, tanh_layer, tanh_twice
from studies.tasks.task import Batch

Layer = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]

_LAYERS: dict[tuple[str, bool], Layer] = {
    ("lstm", False): lstm,
    ("lstm", True): lstm_twice,
    ("tanh", False): tanh_layer,
    ("tanh", True): tanh_twice,
    ("relu", False): relu_layer,
    ("relu", True): relu_twice,
}


class BatchedModel(nn.Module):
    """R runs of one architecture as one model; run r starts as ``models[r]`` and never meets another.

    Parameters come in the order of `RecurrentModel`'s, each (R, ...). Inside, time comes before the batch:
    inputs (R, B, T), outputs (R, T, B, outputs), so that what a step needs of a run is one block of memory.
    On a CPU a single LSTM without dropout goes through torch's own layers, which are faster for one.
    """

    def __init__(self, architecture: Architecture, models: Sequence[RecurrentModel]) -> None:
        super().__init__()
        self.architecture, self.shape, self.runs = architecture, models[0].shape, len(models)
        stacked = _stacked(models)
        self.names = tuple(stacked)
        self.weights = nn.ParameterList([nn.Parameter(value) for value in stacked.values()])
        features = architecture.embedding if self.shape.tokens else self.shape.inputs
        # Only its names and its arithmetic are used; kept out of the module's own parameters.
        self._torch_cell = (architecture.cell(features, device="meta"),)

    @torch.no_grad()
    def load(self, models: Sequence[RecurrentModel]) -> None:
        """Let as many runs start as other models, in the same tensors."""
        for weight, value in zip(self.weights, _stacked(models).values(), strict=True):
            weight.copy_(value)

    def losses(
        self,
        batch: Batch,
        state: Sequence[State] | None = None,
        *,
        twice: bool = False,
        dropout: Sequence[torch.Generator] = (),
    ) -> tuple[Tensor, Tensor, list[State]]:
        """Return losses (R,), outputs (R, T, B, outputs) and the last state of each layer, detached.

        ``batch`` is (R, B, T, ...); ``state`` is where the layers start (zero without it); ``twice`` keeps the
        graph differentiable twice; ``dropout`` holds each run's random numbers, empty for no dropout.
        """
        outputs, last = self.outputs(batch[0], state, twice=twice, dropout=dropout)
        return self.shape.objective(outputs, batch[1]), outputs, last

    def outputs(
        self, inputs: Tensor, state: Sequence[State] | None, *, twice: bool, dropout: Sequence[torch.Generator]
    ) -> tuple[Tensor, list[State]]:
        """Return the outputs (R, T, B, outputs) and the last state of each layer, detached."""
        named = dict(zip(self.names, self.weights, strict=True))
        state = self.zero_state(inputs.shape[1]) if state is None else state
        plain = self.runs == 1 and self.architecture.unit == "lstm" and not self.architecture.dropout
        if plain and not inputs.is_cuda:  # cuDNN's layers are differentiable once, and no part of a captured step
            hidden, last = self._by_torch(inputs, state, named)
        else:
            hidden, last = self._batched(inputs, state, named, twice, dropout)
        outputs = affine(hidden, named["readout.weight"], named["readout.bias"].unsqueeze(1))
        return outputs, [tuple(part.detach() for part in layer) for layer in last]

    def run(self, number: int) -> RecurrentModel:
        """Return run ``number`` as a model of its own, with a copy of its parameters."""
        model = self.architecture.build(self.shape, 0)
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(self.weights[self.names.index(name)][number])
        return model

    def zero_state(self, size: int) -> list[State]:
        """Return the state in which so many sequences start, for each layer."""
        zero = self.weights[0].new_zeros(self.runs, size, self.architecture.hidden)
        parts = 2 if self.architecture.unit == "lstm" else 1
        return [(zero,) * parts] * self.architecture.layers

    def _by_torch(self, inputs: Tensor, state: Sequence[State], named: dict[str, Tensor]) -> tuple[Tensor, list[State]]:
        row = inputs[0]
        if self.shape.tokens:
            row = functional.embedding(row, named["embedding.weight"][0])
        cell = {name.removeprefix("cell."): value[0] for name, value in named.items() if name.startswith("cell.")}
        start = tuple(torch.cat(parts) for parts in zip(*state, strict=True))
        hidden, end = torch.func.functional_call(self._torch_cell[0], cell, (row, start))
        last = [tuple(part[layer : layer + 1] for part in end) for layer in range(self.architecture.layers)]
        return hidden.transpose(0, 1).unsqueeze(0), last

    def _batched(
        self,
        inputs: Tensor,
        state: Sequence[State],
        named: dict[str, Tensor],
        twice: bool,
        dropout: Sequence[torch.Generator],
    ) -> tuple[Tensor, list[State]]:
        layer, last = _LAYERS[self.architecture.unit, twice], []
        below = inputs.transpose(1, 2)  # (R, T, B, ...)
        for number in range(self.architecture.layers):
            of = {kind: named[f"cell.{kind}_l{number}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
            bias = (of["bias_ih"] + of["bias_hh"]).unsqueeze(1)
            if number == 0 and self.shape.tokens:
                pre = self._from_symbols(below, named["embedding.weight"], of["weight_ih"], bias)
            else:
                pre = affine(below, of["weight_ih"], bias)
            hidden, end = layer(pre, of["weight_hh"], state[number])
            last.append(end)
            below = _drop(hidden, self.architecture.dropout, dropout) if dropout else hidden
        return below, last

    def _from_symbols(self, symbols: Tensor, embedding: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The inputs' part of the gates. Each symbol is multiplied once when there are fewer symbols than places."""
        count = embedding.shape[1]
        index = symbols + count * torch.arange(self.runs, device=symbols.device).view(-1, 1, 1)
        if count <= symbols[0].numel():
            table = torch.baddbmm(bias, embedding, weight.transpose(1, 2))
            return functional.embedding(index, table.flatten(0, 1))
        return affine(functional.embedding(index, embedding.flatten(0, 1)), weight, bias)


def _stacked(models: Sequence[RecurrentModel]) -> dict[str, Tensor]:
    named = [dict(model.named_parameters()) for model in models]
    return {name: torch.stack([each[name].detach() for each in named]) for name in named[0]}


def twice_differentiable(architecture: Architecture) -> Layer:
    """Return the architecture's layer in ordinary operations."""
    return _LAYERS[architecture.unit, True]


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x W' + b for each run: (R, T, B, I), (R, O, I), (R, 1, O) -> (R, T, B, O)."""
    runs, steps, size, features = x.shape
    flat = x.reshape(runs, steps * size, features)
    return torch.baddbmm(bias, flat, weight.transpose(1, 2)).view(runs, steps, size, -1)


def _drop(hidden: Tensor, probability: float, generators: Sequence[torch.Generator]) -> Tensor:
    # Each run's mask from its own random numbers, so that a run does not depend on its neighbours.
    drawn = torch.stack([torch.rand(hidden.shape[1:], generator=generator) for generator in generators])
    return hidden * (drawn >= probability).to(hidden) / (1.0 - probability)
