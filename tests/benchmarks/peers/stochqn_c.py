"""stochQN, float32: its C direction and its whole adaQN step. Only where it is installed (``tox -e peers``).

Its direction is a static function of its C library. Nearest to it among the exported ones comes ``run_SQN`` between
two pairs at step length 0: the direction with H0 = (s'y / y'y) I of the newest pair, which costs it two products more,
and one sum of two vectors. The pairs are put into its public struct (``stochqn.h``) through ctypes.
"""

from __future__ import annotations

import ctypes
import os
import sys
import types
from typing import Any

import torch
from torch import nn

from tests.benchmarks.peers.blas import Tuned
from tests.benchmarks.peers.peer import DirectionPeer, Prepared, newest
from tests.benchmarks.problems import Pairs
from tests.benchmarks.stepping import LR, GivenGradients

# Its module of logistic regression asks for insides of scikit-learn which are gone; nothing here needs it.
sys.modules.setdefault("stochqn._logistic", types.ModuleType("stochqn._logistic"))
sys.modules["stochqn._logistic"].StochasticLogisticRegression = None  # type: ignore[attr-defined]
import stochqn as library  # noqa: E402
from stochqn import _wrapper_float  # noqa: E402

C = ctypes.CDLL(_wrapper_float.__file__)
Real, Size, Int, Pointer = ctypes.c_float, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER
Vector = Pointer(Real)
NEVER = 1 << 40
FUNCTION_VALUE = 1.0


class Memory(ctypes.Structure):
    """``bfgs_mem``."""

    _fields_ = (
        *((name, Vector) for name in ("s_mem", "y_mem", "buffer_rho", "buffer_alpha", "s_bak", "y_bak")),
        *((name, Size) for name in ("mem_size", "mem_used", "mem_st_ix", "upd_freq")),
        *((name, Real) for name in ("y_reg", "min_curvature")),
    )


class Workspace(ctypes.Structure):
    """``workspace_SQN``."""

    _fields_ = (
        ("bfgs_memory", Pointer(Memory)),
        *((name, Vector) for name in ("grad_prev", "x_sum", "x_avg_prev")),
        *(("use_grad_diff", Int), ("niter", Size)),
        *((name, Int) for name in ("section", "nthreads", "check_nan", "n")),
    )


C.initialize_SQN.restype = Pointer(Workspace)
C.initialize_SQN.argtypes = (Int, Size, Size, Real, Int, Real, Int, Int)
C.dealloc_SQN.argtypes = (Pointer(Workspace),)
C.run_SQN.argtypes = (Real, Vector, Vector, Vector, *[ctypes.c_void_p] * 3, Pointer(Workspace), ctypes.c_void_p)


class Direction:
    """``run_SQN`` on given pairs: the direction takes the gradient's place, so each call needs a copy first."""

    def __init__(self, pairs: Pairs, run: int) -> None:
        _, m, n = pairs.shape
        self.g, self.x = pairs.g[run], torch.zeros(n)
        self.buffer = self.g.clone()
        threads = min(torch.get_num_threads(), os.cpu_count() or 1)
        self.workspace = C.initialize_SQN(n, m, NEVER, 0.0, 0, 0.0, 0, threads)
        memory = self.workspace.contents.bfgs_memory.contents
        for target, rows in ((memory.s_mem, pairs.s[run]), (memory.y_mem, pairs.y[run])):
            ctypes.memmove(target, rows.data_ptr(), rows.numel() * 4)
        memory.mem_used, memory.mem_st_ix = m, 0
        self.workspace.contents.section = 1  # a gradient was asked for and is there
        self.request = (ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int())

    def __call__(self) -> torch.Tensor:
        self.buffer.copy_(self.g)
        self.run()
        return self.buffer

    def seconds(self, clock: Any) -> float:
        """Of the run alone."""
        self.buffer.copy_(self.g)
        start = clock()
        self.run()
        return float(clock() - start)

    def run(self) -> None:
        """One call of the library."""
        x, g = (ctypes.cast(t.data_ptr(), Vector) for t in (self.x, self.buffer))
        request, vector, task, info = map(ctypes.byref, self.request)
        C.run_SQN(0.0, x, g, None, request, vector, task, self.workspace, info)

    def __del__(self) -> None:
        C.dealloc_SQN(self.workspace)


class Directions:
    """Of all runs, one after another."""

    def __init__(self, pairs: Pairs) -> None:
        self.runs = [Direction(pairs, run) for run in range(pairs.shape[0])]

    def __call__(self) -> list[torch.Tensor]:
        return [direction() for direction in self.runs]

    def seconds(self, clock: Any) -> float:
        """Of the runs alone."""
        return sum(direction.seconds(clock) for direction in self.runs)


class AdaQN:
    """``adaQN_free`` with full memories: ``every`` steps with gradients given by turns, copied outside the time.

    Given the same few gradients for long enough it finds a pair that it does not store, and a window without a pair is
    no full step: then it begins anew, and the window is made again.
    """

    def __init__(self, model: nn.Module, every: int) -> None:
        given = GivenGradients(model)
        self.start = torch.cat([p.detach().view(-1) for p in given.parameters]).numpy()
        gradients = []
        for _ in range(4):
            gradients.append(torch.cat([p.grad.view(-1) for p in given.parameters]).numpy())  # type: ignore[union-attr]
            given.turn()
        self.gradients, self.every = gradients, every
        self.begin()

    def begin(self) -> None:
        """At the first point, and on until its memories are full."""
        self.x, self.k = self.start.copy(), 0
        # Its default 1e-4 refuses some pairs here.
        self.optimizer = library.adaQN_free(use_float=True, bfgs_upd_freq=self.every, min_curvature=1e-12)
        for _ in range(self.optimizer.mem_size + 2):
            if self.window(lambda: 0.0) is None:
                raise RuntimeError("stochQN did not store one of its first pairs: not a full step.")

    def __call__(self) -> None:
        self.seconds(lambda: 0.0)

    def seconds(self, clock: Any) -> float:
        """Of the optimizer's own runs in ``every`` steps."""
        total = self.window(clock)
        if total is None:
            self.begin()
            total = self.window(clock)
        assert total is not None  # it stored more than one when it began
        return total

    def window(self, clock: Any) -> float | None:
        """The same; None if a pair was not stored."""
        total, steps = 0.0, 0
        while steps < self.every:
            start = clock()
            request = self.optimizer.run_optimizer(self.x, LR)
            total += clock() - start
            if request["info"]["iteration_info"] != "no_problems_encountered":
                return None
            if request["task"] == "calc_fun_val_batch":
                self.optimizer.update_function(FUNCTION_VALUE)
            else:
                self.optimizer.update_gradient(self.gradients[self.k % len(self.gradients)].copy())
                self.k += 1
            steps += request["info"]["x_changed_in_run"]
        return total


def prepare(pairs: Pairs) -> Prepared:
    """Its directions."""
    return Prepared(Tuned(Directions(pairs)), pairs.bytes)


PEER = DirectionPeer("stochQN (H0 = s'y/y'y)", prepare, newest)
