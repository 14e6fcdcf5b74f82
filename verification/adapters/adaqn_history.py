"""adaqn_lab's triangular form, :meth:`adaqn_lab.History.apply_`, and its optimizer as plain L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaqn_lab import (
    ADAQN,
    BarzilaiBorwein,
    Cadence,
    CautiousCosine,
    Displacement,
    EventKind,
    History,
    QuasiNewton,
    Space,
    Window,
)
from adaqn_lab.bases import PairGeneratorBase
from verification.adapters.driving import Driven, Gradient
from verification.parts import Form, by_diagonal, by_entries

Array = NDArray[Any]


def _direction(S: Array, Y: Array, h0: Array, g: Array, form: Form) -> Array:
    v = torch.from_numpy(g.copy()).unsqueeze(0)
    space = Space(runs=1, size=g.size, dtype=v.dtype)
    history = History.empty(space, len(S))
    for s, y in zip(S, Y, strict=True):
        history.push_(torch.tensor(s).unsqueeze(0), torch.tensor(y).unsqueeze(0), space.mask(True))
    h0_ = form(torch.from_numpy(h0.astype(g.dtype)).unsqueeze(0))
    result: Array = history.apply_(v, h0_).squeeze(0).numpy()
    return result


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g: the pairs are pushed one by one into an empty history of m slots, in the dtype of ``g``."""
    return _direction(S, Y, h0, g, by_entries)


def direction_around_diagonal(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The same as training has it: H0 is a ``Diagonal``, applied inside the blocks of Y."""
    return _direction(S, Y, h0, g, by_diagonal)


@dataclass(frozen=True)
class _GradientDifference(PairGeneratorBase):
    """y = g(w_bar) - g(w_ref), as in L-BFGS; keeps what it was asked and what it answered."""

    gradient: Gradient
    pairs: list[tuple[Array, Array]] = field(default_factory=list, repr=False)

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        """Two gradients."""
        y = self.gradient(move.w_bar[0].numpy().copy()) - self.gradient(move.w_ref[0].numpy().copy())
        self.pairs.append((move.s[0].numpy().copy(), y))
        return torch.tensor(y)[None]


def _drive(gradient: Gradient, start: Array, steps: int, memory: Window) -> Driven:
    """``QuasiNewton`` as deterministic L-BFGS: windows of one step, H0 of Barzilai and Borwein, learning rate 1."""
    differences = _GradientDifference(gradient)
    cadence = Cadence(every=1, after_step=True, from_start=True, always_advance=True)
    recipe = ADAQN.but(pairs=differences, scaling=BarzilaiBorwein(), memory=memory, guard=None, cadence=cadence)
    point = torch.nn.Parameter(torch.tensor(start))
    optimizer, points = QuasiNewton([point], recipe, lr=1.0), [start.copy()]
    for _ in range(steps):
        point.grad = torch.tensor(gradient(point.detach().numpy().copy()))
        optimizer.step()
        points.append(point.detach().numpy().copy())
    admitted = [event.kind is EventKind.ADMITTED for event in optimizer.events]
    held = [pair for pair, taken in zip(differences.pairs, admitted, strict=True) if taken]
    held = held[-memory.capacity :]
    stacked: Array = np.array(held).reshape(len(held), 2, start.size)
    return Driven(np.array(points), stacked[:, 0], stacked[:, 1])


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """The default memory, which admits a pair iff s'y > 1e-4 y'y."""
    return _drive(gradient, start, steps, Window())


def drive_cosine(gradient: Gradient, start: Array, steps: int) -> Driven:
    """The memory which admits a pair iff s'y > 1e-4 |s||y|."""
    return _drive(gradient, start, steps, Window(test=CautiousCosine()))
