"""The two-loop recursion inside ``torch.optim.LBFGS.step``, run by that step itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from one step of length 1 with the pairs put into the optimizer's state, as a loaded checkpoint would.

    The previous gradient equals the present one, so that the step adds no pair of its own (y = 0); its direction
    is -H g, with the state's ``H_diag`` for H0. A zero gradient makes the step return at once: H 0 = 0.
    """
    gradient = torch.tensor(g)
    point = torch.nn.Parameter(torch.zeros_like(gradient))
    optimizer = torch.optim.LBFGS(
        [point], lr=1.0, max_iter=1, history_size=max(len(S), 1), tolerance_grad=0.0, tolerance_change=-torch.inf
    )
    optimizer.state[point] = {
        "func_evals": 1,
        "n_iter": 1,
        "d": torch.zeros_like(gradient),
        "t": 1.0,
        "old_dirs": list(torch.tensor(Y)),
        "old_stps": list(torch.tensor(S)),
        "ro": [1.0 / y.dot(s) for s, y in zip(torch.tensor(S), torch.tensor(Y), strict=True)],
        "H_diag": torch.tensor(h0.astype(g.dtype)),
        "prev_flat_grad": gradient.clone(),
        "prev_loss": 0.0,
    }

    def closure() -> float:
        point.grad = gradient.clone()
        return 0.0

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    result: Array = -optimizer.state[point]["d"].numpy()
    return result


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """``torch.optim.LBFGS`` with learning rate 1 and no line search, one iteration a step."""
    point = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.LBFGS([point], lr=1.0, max_iter=1, tolerance_grad=0.0, tolerance_change=-torch.inf)

    def closure() -> float:
        point.grad = torch.tensor(gradient(point.detach().numpy().copy()))
        return 0.0

    points = [start.copy()]
    for _ in range(steps + 1):  # the last step stores the pair of the one before
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        points.append(point.detach().numpy().copy())
    state, empty = optimizer.state[point], torch.zeros(0, start.size, dtype=torch.float64)
    S, Y = (torch.stack(state[name]) if state.get(name) else empty for name in ("old_stps", "old_dirs"))
    return Driven(np.array(points[:-1]), S.numpy(), Y.numpy())
