"""The linear maps inside a model, with what goes into each and what comes out: what K-FAC is made of."""

from dataclasses import dataclass

import torch
from torch import Tensor

from studies.models.batched import BatchedModel, affine, twice_differentiable


@dataclass(frozen=True)
class LinearMap:
    """One matrix at work on N inputs: y = W a (+ b).

    ``weight`` and ``bias`` are positions among the model's parameters; ``inputs`` a are (R, N, I), or symbols (R, N)
    where W is an embedding; the gradient in ``outputs`` (R, ..., O) is that in y.
    """

    weight: int
    bias: int | None
    inputs: Tensor
    outputs: Tensor


def linear_maps(model: BatchedModel, inputs: Tensor) -> tuple[Tensor, list[LinearMap]]:
    """Return the outputs (R, T, B, outputs) for (R, B, T, ...) inputs, and every linear map on the way.

    The steps of a sequence count as inputs of one map each; a layer's two maps share the gradient of their sum.
    """
    at = {name: position for position, name in enumerate(model.names)}
    named = dict(zip(model.names, model.weights, strict=True))
    below, maps = inputs.transpose(1, 2), []
    if model.shape.tokens:
        symbols = below
        rows = torch.arange(model.runs, device=symbols.device).view(-1, 1, 1)
        below = named["embedding.weight"][rows, symbols]
        maps.append(LinearMap(at["embedding.weight"], None, symbols.flatten(1), below))
    layer, state = twice_differentiable(model.architecture), model.zero_state(inputs.shape[1])
    for number in range(model.architecture.layers):
        of = {kind: f"cell.{kind}_l{number}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        bias = (named[of["bias_ih"]] + named[of["bias_hh"]]).unsqueeze(1)
        gates = affine(below, named[of["weight_ih"]], bias)
        hidden, _ = layer(gates, named[of["weight_hh"]], state[number])
        before = torch.cat((state[number][0].unsqueeze(1), hidden[:, :-1]), dim=1)
        for kind, entering in (("ih", below), ("hh", before)):
            maps.append(LinearMap(at[of[f"weight_{kind}"]], at[of[f"bias_{kind}"]], entering.flatten(1, 2), gates))
        below = hidden
    outputs = affine(below, named["readout.weight"], named["readout.bias"].unsqueeze(1))
    maps.append(LinearMap(at["readout.weight"], at["readout.bias"], below.flatten(1, 2), outputs))
    return outputs, maps
