"""Small trainings with everything that a user may set: the case of the laws about the optimizer's loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import logsigmoid

from adaqn_lab import Need, Space
from verification.parts import tensor
from verification.references.parts_loop import Given
from verification.references.trajectories.problem import Problem
from verification.strategies import Array

N = 7
LAYOUTS = (((7,),), ((4,), (3,)), ((2, 2), (), (2, 1)), ((1,), (1, 3, 2)))
"""Shapes of one run's parameters."""
RATES = ("constant", "schedule", "tensor", "tensor in place", "tensor per run")


@dataclass(frozen=True)
class Training:
    """``runs`` logistic regressions of 7 parameters, ``windows`` windows of ``every`` steps and ``rest`` steps more.

    ``rates``: how each group's lr changes from step to step; ``decay``: weight decay of the first group; ``groups``: 2
    puts the first tensor in a group of its own, with its own lr; ``missing``: some parameters have no gradient at some
    steps; ``bad``: some runs' gradients are NaN; ``closure``: by ``step(closure)``; ``maximize``: everything with its
    sign changed.
    """

    runs: int
    every: int
    windows: int
    rest: int
    seed: int
    layout: int = 0
    lr: float = 0.25
    convex: bool = True
    rates: str = "constant"
    groups: int = 1
    decay: float = 0.0
    missing: bool = False
    bad: bool = False
    closure: bool = False
    maximize: bool = False

    @property
    def steps(self) -> int:
        """How many."""
        return self.windows * self.every + self.rest

    @property
    def space(self) -> Space:
        """R vectors of 7 elements."""
        return Space(self.runs, N, torch.float64, shapes=self.shapes)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """One run's parameters."""
        return LAYOUTS[self.layout]

    @property
    def sign(self) -> float:
        """Of the losses that the user has."""
        return -1.0 if self.maximize else 1.0

    @cached_property
    def problems(self) -> list[Problem]:
        """One a run."""
        return [Problem(seed=self.seed + run, rows=48, convex=self.convex) for run in range(self.runs)]

    @cached_property
    def data(self) -> tuple[Tensor, Tensor]:
        """a (R, N, n), b (R, N)."""
        a, b = zip(*(p.data for p in self.problems), strict=True)
        return tensor(np.stack(a)), tensor(np.stack(b))

    @cached_property
    def start(self) -> Tensor:
        """(R, n)."""
        return tensor(np.stack([p.start for p in self.problems]))

    def _draw(self, stream: int, *shape: int) -> Array:
        """Uniform numbers in 0 to 1 for every step: (K, *shape)."""
        drawn: Array = np.random.default_rng([self.seed, stream]).random((self.steps, *shape))
        return drawn

    @cached_property
    def present(self) -> Array:
        """Which parameters have a gradient, (K, parameters) bool; one at least."""
        has = self._draw(1, len(self.shapes)) < (0.7 if self.missing else 2.0)
        has[:, -1] |= ~has.any(axis=1)
        return has

    @cached_property
    def broken(self) -> Array:
        """Which runs' gradients are NaN, (K, R) bool."""
        return np.asarray(self._draw(2, self.runs) < (0.12 if self.bad else 0.0))

    @property
    def second(self) -> float:
        """The second group's own lr, in units of the first one's: another or nearly the same."""
        return 0.5 if self.seed % 2 else 1.0625

    @cached_property
    def lrs(self) -> Array:
        """(K, groups, R): rates of 0 included where there is a schedule."""
        factors = 0.5 + self._draw(3, self.groups, self.runs)
        factors[self._draw(4) < 0.1] = 0.0
        near = self._draw(5) < 0.3  # steps at which the groups' rates differ by little
        factors[near, 1:] = 1.0625 * factors[near, :1]
        if self.rates == "constant":
            factors[:] = 1.0
            factors[:, 1:] = self.second
        if self.rates != "tensor per run":
            factors[:] = factors[:, :, :1]
        return self.lr * factors

    def group_of(self, parameter: int) -> int:
        """The group of a parameter."""
        return min(parameter, self.groups - 1)

    # -- the losses -------------------------------------------------------------------------------------------

    def rows(self, need: Need, k: int) -> Tensor:
        """The examples that a need means at step k."""
        p = self.problems[0]
        if need is Need.MONITOR_LOSS:
            chosen = np.arange(p.rows)
        elif need is Need.BATCH_GRADIENT:
            chosen = p.batch(k)
        else:
            chosen = p.overlap(k) if need is Need.OVERLAP_GRADIENT else p.curvature
        return torch.from_numpy(chosen)

    def outputs(self, w: Tensor, rows: Tensor) -> Tensor:
        """a'w: (R, rows)."""
        return torch.einsum("rkn,rn->rk", self.data[0][:, rows], w)

    def loss(self, w: Tensor, rows: Tensor, outputs: Tensor) -> Tensor:
        """(R,)."""
        z = -self.data[1][:, rows] * outputs
        value = -logsigmoid(-z) if self.convex else torch.sigmoid(z)  # softplus is linear from 20 on
        return value.mean(1) + self.problems[0].ridge * w.square().sum(1) / 2

    def gradient(self, w: Tensor, rows: Tensor) -> Tensor:
        """Its gradient, by its formula: (R, n)."""
        a, b = self.data[0][:, rows], self.data[1][:, rows]
        p = torch.sigmoid(-b * self.outputs(w, rows))
        slope = -b * (p if self.convex else p * (1 - p))
        return torch.einsum("rkn,rk->rn", a, slope) / len(rows) + self.problems[0].ridge * w

    def gauss_newton(self, w: Tensor, v: Tensor, rows: Tensor) -> Tensor:
        """The product without the penalty: (R, n)."""
        a, b = self.data[0][:, rows], self.data[1][:, rows]
        p = torch.sigmoid(-b * self.outputs(w, rows))
        curved = p * (1 - p) if self.convex else p * (1 - p) * (1 - 2 * p)
        return torch.einsum("rkn,rk->rn", a, curved * self.outputs(v, rows)) / len(rows)

    def raw(self, w: Tensor, k: int) -> Tensor:
        """What ``backward`` finds at step k, in the user's sign; NaN in one entry of a broken run's."""
        g = self.sign * self.gradient(w, self.rows(Need.BATCH_GRADIENT, k))
        g[torch.from_numpy(self.broken[k - 1]), self.seed % N] = torch.nan
        return g

    def spread(self, values: Array) -> Tensor:
        """A number for each parameter tensor -> one for each entry of a vector."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return tensor(np.repeat(values, sizes, axis=-1))

    def given(self, k: int, w: Tensor) -> Given:
        """Step k at ``w``, for the textbook's loop, which descends."""
        has = self.spread(self.present[k - 1].astype(float))
        groups = [self.group_of(index) for index in range(len(self.shapes))]
        decay = self.spread(np.array([self.decay if group == 0 else 0.0 for group in groups]))
        g = torch.where(has > 0, self.sign * self.raw(w, k) + decay * w, 0.0)
        rate = self.spread(self.lrs[k - 1].T[:, groups]) * has
        return Given(g, rate, self.sign * self.value(w, k) if self.closure else None)

    def value(self, w: Tensor, k: int) -> Tensor:
        """What the closure returns."""
        rows = self.rows(Need.BATCH_GRADIENT, k)
        return self.sign * self.loss(w, rows, self.outputs(w, rows))


@st.composite
def trainings(draw: st.DrawFn, rich: bool = False, max_runs: int = 5, max_windows: int = 8) -> Training:
    """Trainings of one lr and one group; with ``rich`` of every feature there is, each in half of them."""
    case = Training(
        runs=draw(st.sampled_from([r for r in (1, 5, 4, 2, 5, 3) if r <= max_runs])),  # the last runs go wrong unseen
        every=draw(st.integers(1, 4)),
        windows=draw(st.integers(2, max_windows)),
        rest=draw(st.integers(0, 2)),
        seed=draw(st.integers(0, 2**16)),
        layout=draw(st.integers(0, len(LAYOUTS) - 1)),
        lr=draw(st.sampled_from((0.25, 0.05, 1.0))),
        convex=draw(st.booleans()),
        bad=draw(st.booleans()),
    )
    if not rich:
        return case
    maybe = st.booleans()
    return replace(
        case,
        rates=draw(st.sampled_from(RATES)),
        groups=1 + draw(maybe) if case.layout else 1,
        decay=draw(st.sampled_from((0.0, 0.1))),
        missing=draw(maybe),
        closure=draw(maybe),
        maximize=draw(maybe),
    )
