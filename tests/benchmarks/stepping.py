"""Whole steps: a model whose gradients are given, so that only the optimizer works."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from adaqn_lab import QuasiNewton, Recipe, bytes_needed
from adaqn_lab import state as part_state
from adaqn_lab.protocols import Need
from adaqn_lab.recipes import ALL
from tests.benchmarks.models import Characters

LR = 1e-5
GRADIENTS = 4
SECOND_ORDER = frozenset({Need.HESSIAN_VECTOR_PRODUCT, Need.GAUSS_NEWTON_PRODUCT})


def recipes(size: int) -> dict[str, Recipe]:
    """The shipped recipes which can hold ``size`` parameters.

    Left out: those which form second-order products at every step, whose cost is the model's.
    """
    found = {}
    for named in ALL:
        recipe = named.recipe
        second_order = bool(recipe.needs & SECOND_ORDER) and recipe.cadence.every == 1
        if not second_order and _fits(recipe, size):
            found[named.name] = recipe
    return found


def _fits(recipe: Recipe, size: int) -> bool:
    """Whether no part refuses a problem of this size (the dense memories do)."""
    try:
        bytes_needed(recipe, size)
    except ValueError:
        return False
    return True


def bowls(parameters: list[nn.Parameter]) -> dict[str, Callable[[], Tensor]]:
    """Every callable which a recipe may need: (sum of squares) / 2, two passes over the parameters."""

    def bowl() -> Tensor:
        return torch.stack([p.square().sum() for p in parameters]).sum() / 2

    def bowl_and_outputs() -> tuple[Tensor, Tensor]:
        outputs = torch.cat([p.view(-1) for p in parameters])
        return outputs.square().sum() / 2, outputs

    return {"monitor": bowl, "curvature": bowl_and_outputs, "batch": bowl, "overlap": bowl}


class GivenGradients:
    """A copy of a model's parameters, and a few sets of gradients which take turns in their ``.grad``."""

    def __init__(self, model: Characters, seed: int = 0) -> None:
        self.parameters = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
        generator = torch.Generator().manual_seed(seed)
        sets = [
            [torch.empty_like(p).uniform_(0.5, 1.5, generator=generator) for p in self.parameters]
            for _ in range(GRADIENTS)
        ]
        self._turns: Iterator[list[Tensor]] = itertools.cycle(sets)
        self.turn()

    def turn(self) -> None:
        """Put the next set in place; no copy."""
        for p, g in zip(self.parameters, next(self._turns), strict=True):
            p.grad = g

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The 2-D parameters, for optimizers which take no others."""
        return [p for p in self.parameters if p.dim() == 2]


def quasi_newton(given: GivenGradients, recipe: Recipe, **options: Callable[[], Tensor]) -> QuasiNewton:
    """The optimizer after one window, its memory written once (pages never written cost no reading)."""
    optimizer = QuasiNewton(given.parameters, recipe, lr=LR, **(bowls(given.parameters) | options))
    for _ in range(recipe.cadence.every):
        optimizer.step()
        given.turn()
    touch(optimizer)
    return optimizer


def touch(optimizer: QuasiNewton) -> None:
    """Write every page of the memory with what it holds."""
    for tensor in part_state.flatten(optimizer._algorithm.states).values():
        if tensor.is_floating_point():
            tensor.add_(0.0)


def steps(optimizer: torch.optim.Optimizer, given: GivenGradients, count: int) -> Callable[[], None]:
    """``() -> None`` which makes ``count`` steps: whole windows, so that their ends count with their share."""

    def call() -> None:
        for _ in range(count):
            given.turn()
            optimizer.step()

    return call


def state_bytes(optimizer: QuasiNewton) -> int:
    """Bytes of all tensors which a checkpoint holds: the memory."""
    tensors = part_state.flatten(optimizer._algorithm.states)
    return sum(x.numel() * x.element_size() for x in tensors.values())
