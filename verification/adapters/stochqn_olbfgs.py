"""stochQN's ``oLBFGS_free``: its two loops in C and its own steps."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import multiple, with_scale

# Its module of logistic regression asks for insides of scikit-learn which are gone; nothing here needs it.
sys.modules.setdefault("stochqn._logistic", types.ModuleType("stochqn._logistic"))
vars(sys.modules["stochqn._logistic"]).setdefault("StochasticLogisticRegression", None)
from stochqn import oLBFGS_free  # noqa: E402

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from a step of length 1 at 0 with the pairs in its memory; H0 = h I by a pair in one more variable."""
    n = g.size
    S, Y, g = with_scale(S, Y, multiple(h0, "stochQN"), g)
    optimizer = oLBFGS_free(
        mem_size=len(S), min_curvature=None, check_nan=False, nthreads=1, use_float=g.dtype == np.float32
    )
    optimizer._initialize(g.size)
    holder = optimizer._oLBFGS
    memory = holder.BFGS_mem
    memory.s_mem[:], memory.y_mem[:] = S.reshape(memory.s_mem.shape), Y.reshape(memory.y_mem.shape)
    memory.mem_used, memory.mem_st_ix, holder.section = len(S), 0, 1
    optimizer.update_gradient(g.copy())
    point = np.zeros_like(g)
    optimizer.run_optimizer(point, 1.0)
    return -point[:n]


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults and step length 1. A step that it refuses to make leaves the point where it is."""
    optimizer, point = oLBFGS_free(nthreads=1), start.copy()
    points = [start.copy()]

    def answer(request: Any) -> Any:
        """What it asks for next, given the gradient that it asks for now."""
        optimizer.update_gradient(gradient(np.array(request["requested_on"])))
        return optimizer.run_optimizer(point, 1.0)

    request = optimizer.run_optimizer(point, 1.0)
    for _ in range(steps):
        request = answer(request)
        points.append(point.copy())
        if request["task"] == "calc_grad_same_batch":  # for the pair of this step
            request = answer(request)
    memory = optimizer._oLBFGS.BFGS_mem
    held = np.roll(np.arange(memory.mem_used), -memory.mem_st_ix)  # the oldest is in the slot to be written next
    S, Y = (x.reshape(-1, start.size)[held] for x in (memory.s_mem, memory.y_mem))
    return Driven(np.array(points), S, Y)
