"""An optimizer's step beside what it is taken for: forward and backward pass of torch's LSTM (cuDNN's on a GPU)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adaqn_lab import ADAQN, EmpiricalFisher, QuasiNewton, Recipe
from tests.benchmarks.models import Characters, Loss, parameters
from tests.benchmarks.timing import Call, InPlainTorch

Milliseconds = Callable[[Call], float]


@dataclass(frozen=True)
class Size:
    """A language model and its mini-batch of ``batch`` sequences."""

    vocabulary: int
    units: int
    layers: int
    batch: int
    length: int


SIZES = {
    "0.1M": Size(50, 128, 1, 50, 30),
    "1M": Size(1000, 256, 1, 64, 35),
    "10M": Size(2000, 650, 2, 64, 35),
    "50M": Size(5000, 1500, 2, 64, 35),
}
"""By their parameters, roughly."""


def beside(name: str, size: Size, device: torch.device, milliseconds: Milliseconds) -> Iterator[dict[str, Any]]:
    """One row for the model's forward and backward pass, one for each optimizer's step, averaged over a window."""
    torch.manual_seed(0)
    model = Characters(size.units, size.units, size.vocabulary, size.layers).to(device)
    weights, loss = list(model.parameters()), Loss(model, 0, size.batch, size.length)

    def gradient() -> None:
        model.zero_grad(set_to_none=False)
        loss().backward()

    of = {"what": "beside", "model": name, "n": parameters(model)}
    base = milliseconds(gradient)
    yield of | {"who": "forward and backward", "ms": base}
    adam = torch.optim.Adam(weights, lr=1e-6, fused=True)
    yield of | {"who": "fused Adam", "ms": (ms := milliseconds(adam.step)), "share": ms / base}
    del adam
    small = ADAQN.but(pairs=EmpiricalFisher(window=20, dtype=torch.bfloat16))
    ways = {"ADAQN": (ADAQN, False)}
    if device.type == "cuda":
        ways |= {"ADAQN, a graph a step": (ADAQN, True), "20 gradients in bfloat16, graphs": (small, True)}
    for who, (recipe, graphs) in ways.items():
        call = window(weights, loss, recipe, graphs)
        yield of | {"who": who, "ms": (ms := milliseconds(call) / recipe.cadence.every), "share": ms / base}
        if not graphs:
            ms = milliseconds(InPlainTorch(call)) / recipe.cadence.every
            yield of | {"who": f"{who}, plain torch", "ms": ms, "share": ms / base}
        del call  # what it holds is many times the model


def window(weights: list[nn.Parameter], loss: Callable[[], Tensor], recipe: Recipe, graphs: bool) -> Call:
    """``() -> None``: the steps of a window; what fills at first is full: pairs, store, monitor."""
    lr = torch.tensor(1e-6, device=weights[0].device)
    own = QuasiNewton(weights, recipe, lr=lr, monitor=loss, graphs=graphs)

    def call() -> None:
        for _ in range(recipe.cadence.every):
            own.step()

    for _ in range(max(recipe.memory.capacity + 2, recipe.pairs.window // recipe.cadence.every)):
        call()
    return call
