"""pytorch-minimize: the class ``torchmin.bfgs.L_BFGS`` and the steps of ``minimize(method="l-bfgs")``."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torchmin
from numpy.typing import NDArray
from torchmin import bfgs

from verification.adapters.driving import Driven, Gradient

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from ``solve`` with the pairs put into its lists; its ``H_diag`` multiplies entry by entry."""
    v = torch.tensor(g)
    memory = bfgs.L_BFGS(v, history_size=max(len(S), 1))
    memory.s, memory.y = list(torch.tensor(S)), list(torch.tensor(Y))
    memory.rho = [1.0 / y.dot(s) for s, y in zip(memory.s, memory.y, strict=True)]
    memory.H_diag = torch.tensor(h0.astype(g.dtype))
    result: Array = -memory.solve(v).numpy()
    return result


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults, so a strong Wolfe line search, without the tolerances. Its memory is noted as it is made."""
    made: list[Any] = []
    points = [start.copy()]

    class Noted(bfgs.L_BFGS):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    def value(w: torch.Tensor) -> torch.Tensor:
        """w'g(w) / 2 with the gradient g(w)."""
        product = w @ torch.tensor(gradient(w.detach().numpy().copy()))
        return product - 0.5 * product.detach()

    tolerances = {"gtol": -1.0, "xtol": -1.0, "gtd_tol": 0.0}
    with patch.object(bfgs, "L_BFGS", Noted):
        torchmin.minimize(
            value,
            torch.tensor(start),
            method="l-bfgs",
            max_iter=steps,
            options=tolerances,
            callback=lambda w: points.append(w.numpy().copy()),
        )
    S, Y = (np.array([x.numpy() for x in held]).reshape(-1, start.size) for held in (made[0].s, made[0].y))
    return Driven(np.array(points), S, Y)
