"""Small real models, data and recipes which the tests of the package share."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaqn_lab import (
    ADAQN,
    ADAQN_MINSQN,
    ADAQN_STOCHQN,
    AveragedDifference,
    BarzilaiBorwein,
    Cadence,
    CautiousCosine,
    EmpiricalFisher,
    HessianVector,
    Identity,
    MeanTimesBatch,
    MonitorIncrease,
    QuasiNewton,
    Recipe,
    RMSProp,
    Sum,
    Window,
)
from adaqn_lab.recipe import ROLES as PARTS

ROLES = (*PARTS, "clock")
NAMED = {"ADAQN": ADAQN, "ADAQN_MINSQN": ADAQN_MINSQN, "ADAQN_STOCHQN": ADAQN_STOCHQN}


def shortened(recipe: Recipe, every: int = 3) -> Recipe:
    """The recipe with windows and stores small enough that a few dozen steps go round them all."""
    cadence = recipe.cadence
    pairs = recipe.pairs
    return recipe.but(
        pairs=EmpiricalFisher(window=7, normalisation=pairs.normalisation)
        if isinstance(pairs, EmpiricalFisher)
        else pairs,
        memory=Window(capacity=min(recipe.memory.capacity, 3), test=recipe.memory.test),
        cadence=Cadence(
            every=every,
            after_step=cadence.after_step,
            from_start=cadence.from_start,
            always_advance=cadence.always_advance,
        ),
    )


def in_windows_of(recipe: Recipe, every: int) -> Recipe:
    """The recipe with its windows that short, where they are longer, and all else as it is."""
    cadence, pairs = recipe.cadence, recipe.pairs
    if cadence.every <= every:
        return recipe
    if isinstance(pairs, AveragedDifference):
        pairs = replace(pairs, every=every)
    return recipe.but(pairs=pairs, cadence=replace(cadence, every=every))


SHORT = {name: shortened(recipe) for name, recipe in NAMED.items()}
VARIANTS = SHORT | {
    "no pairs": SHORT["ADAQN"].but(pairs=None),
    "no guard": SHORT["ADAQN"].but(guard=None),
    "capacity 0": SHORT["ADAQN"].but(memory=Window(capacity=0)),
    "identity": SHORT["ADAQN"].but(scaling=Identity(), pairs=EmpiricalFisher(window=7, normalisation=Sum())),
    "bb cosine": SHORT["ADAQN"].but(scaling=BarzilaiBorwein(), memory=Window(capacity=2, test=CautiousCosine())),
    "rms batch": SHORT["ADAQN"].but(
        scaling=RMSProp(), pairs=EmpiricalFisher(window=4, normalisation=MeanTimesBatch(batch_size=8))
    ),
    "sqn": SHORT["ADAQN"].but(
        pairs=HessianVector(), cadence=Cadence(every=3, from_start=True, always_advance=True, after_step=True)
    ),
    "every step": SHORT["ADAQN"].but(cadence=Cadence(every=1, from_start=True)),
    "strict guard": SHORT["ADAQN"].but(guard=MonitorIncrease(at_most=1.0, reevaluate=True, clear_store=False)),
}

gpu = pytest.mark.gpu
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class Tagger(nn.Module):
    """A one-layer LSTM with a linear read-out: 4 symbols in, the next one out."""

    def __init__(self, hidden: int = 5) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x)[0])


def tagger(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tagger:
    torch.manual_seed(seed)
    return Tagger().to(dtype)


@functools.cache
def batch(k: int, dtype: torch.dtype = torch.float32, size: int = 6) -> tuple[Tensor, Tensor]:
    """Mini-batch number k: a noisy cycle through the symbols; its one-hot inputs and next symbols."""
    generator = torch.Generator().manual_seed(1000 + k)
    start = torch.randint(4, (size, 1), generator=generator)
    symbols = (start + torch.arange(6)) % 4
    noise = torch.rand(symbols.shape, generator=generator) < 0.1
    symbols = torch.where(noise, torch.randint(4, symbols.shape, generator=generator), symbols)
    return nn.functional.one_hot(symbols[:, :-1], 4).to(dtype), symbols[:, 1:]


class Loss:
    """``() -> loss`` of a model on one fixed batch; an object, so that deepcopy and pickle take it along."""

    def __init__(self, model: nn.Module, k: int = -1) -> None:
        self.model = model
        self.k = k

    def __call__(self) -> Tensor:
        p = next(self.model.parameters())
        x, y = batch(self.k, p.dtype)
        return nn.functional.cross_entropy(self.model(x.to(p.device)).float().flatten(0, 1), y.to(p.device).flatten())


def optimizer_for(model: nn.Module, recipe: Recipe, lr=0.05, params=None, **options) -> QuasiNewton:
    """An optimizer with everything that any of the recipes needs."""
    params = model.parameters() if params is None else params
    return QuasiNewton(params, recipe, lr=lr, monitor=Loss(model), curvature=Loss(model, -2), **options)


def backward(model: nn.Module, k: int) -> Tensor:
    model.zero_grad()
    loss = Loss(model, k)()
    loss.backward()
    return loss.detach()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, start: int = 0) -> list[Tensor]:
    """An ordinary loop over mini-batches ``start`` to ``start + steps - 1``; returns the losses."""
    losses = []
    for k in range(start, start + steps):
        losses.append(backward(model, k))
        optimizer.step()
    return losses


def bits(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    """Whether all tensors are equal bit for bit but for the sign of zero."""
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def saved_entry(optimizer: QuasiNewton) -> dict[str, Any]:
    """The one entry of the state dict which holds the memory."""
    (entry,) = filter(None, optimizer.state_dict()["state"].values())
    return entry


def memory(optimizer: QuasiNewton) -> dict[str, Tensor]:
    """Copies of the optimizer's tensors, by role and field."""
    tensors = {name: value for name, value in saved_entry(optimizer).items() if name.partition(".")[0] in ROLES}
    return {name: tensor.clone() for name, tensor in tensors.items()}


def same_memory(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k].nan_to_num(), b[k].nan_to_num()) for k in a)


def events(optimizer: QuasiNewton) -> str:
    """The events as text, in which NaN equals NaN."""
    return "\n".join(map(repr, optimizer.events))
