"""``torchzero.m.LBFGS``, plain and with ``damping="powell"``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torchzero
from numpy.typing import NDArray
from torchzero.modules.quasi_newton.lbfgs import lbfgs_Hx

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import multiple, with_scale

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from ``lbfgs_Hx``; H0 = h I by a pair in one more variable."""
    s, y, v = map(torch.tensor, with_scale(S, Y, multiple(h0, "torchzero.m.LBFGS"), g))
    result: Array = lbfgs_Hx(v, s, y, [a.dot(b) for a, b in zip(s, y, strict=True)]).numpy()[: g.size]
    return result


def _drive(gradient: Gradient, start: Array, steps: int, **options: Any) -> Driven:
    """Steps of length 1 along its direction, as torch.optim.LBFGS does without a line search."""
    point = torch.nn.Parameter(torch.tensor(start))
    method = torchzero.m.LBFGS(**options)
    optimizer, points = torchzero.Optimizer([point], method), [start.copy()]
    for _ in range(steps + 1):  # the last step stores the pair of the one before
        point.grad = torch.tensor(gradient(point.detach().numpy().copy()))
        optimizer.step()
        points.append(point.detach().numpy().copy())
    held = [method.global_state[name] for name in ("s_history", "y_history")]
    S, Y = (np.array([x.to_vec().numpy() for x in vectors]).reshape(-1, start.size) for vectors in held)
    return Driven(np.array(points[:-1]), S, Y)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults."""
    return _drive(gradient, start, steps)


def drive_damped(gradient: Gradient, start: Array, steps: int) -> Driven:
    """The same with Powell's damping."""
    return _drive(gradient, start, steps, damping="powell")
