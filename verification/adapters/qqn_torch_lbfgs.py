"""``qqn_torch.QQN`` with its default oracle, L-BFGS."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qqn_torch import QQN
from qqn_torch.oracles.lbfgs import LBFGSOracle

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import loss, reciprocals

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from the oracle; its gamma multiplies entry by entry. Without pairs it has H0 = I, so h0 is put in front."""
    state = {
        "s_hist": list(torch.tensor(S)),
        "y_hist": list(torch.tensor(Y)),
        "rho_hist": [float(rho) for rho in reciprocals(S, Y)],
        "gamma": torch.tensor(h0.astype(g.dtype)),
    }
    v = g if len(S) else (h0 * g).astype(g.dtype)
    result: Array = -LBFGSOracle().direction(torch.tensor(v), state).numpy()
    return result


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults, one iteration a step, without the tolerances."""
    point = torch.nn.Parameter(torch.tensor(start))
    optimizer, points = QQN([point], max_iter=1, tol_grad=0.0, tol_change=-1.0), [start.copy()]

    def closure() -> torch.Tensor:
        w = point.detach().numpy().copy()
        point.grad = torch.tensor(gradient(w))
        return torch.tensor(loss(gradient, w))

    for _ in range(steps):
        optimizer.step(closure)
        points.append(point.detach().numpy().copy())
    held = optimizer.state["oracle"]["buffers"]
    S, Y = (np.array([x.numpy() for x in held[name]]).reshape(-1, start.size) for name in ("s_hist", "y_hist"))
    return Driven(np.array(points), S, Y)
