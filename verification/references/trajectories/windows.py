"""Methods with a pair every window of averaged iterates, each by its equations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references.trajectories.algebra import Pairs, bfgs, newest_bb, powell_h, tau_damping
from verification.references.trajectories.loops import Found, Windows
from verification.references.trajectories.problem import SIZES, Problem

Array = NDArray[Any]


def newest(pairs: Pairs, G: Array) -> Array:
    """H from the pairs, H0 from the newest."""
    return bfgs(pairs, newest_bb(pairs, len(G)))


def sqn_like(p: Problem, **changes: Any) -> Windows:
    """SQN: y = (Hessian of the curvature batch at w_n) s; no guard; the reference always advances."""
    given: dict[str, Any] = {
        "make": lambda F, w_n, w_o, k: (w_n - w_o, p.hessian(w_n, w_n - w_o)),
        "matrix": newest,
        "guarded": False,
        "always_advance": True,
    }
    return Windows(**(given | changes))


def sqn(p: Problem, lr: float, steps: int) -> Found:
    """As published."""
    return sqn_like(p).run(p, lr, steps)


def dsqn(p: Problem, lr: float, steps: int) -> Found:
    """Pairs damped in the H form with the H of the pairs so far."""
    held: list[tuple[Array, Array]] = []

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        s = w_n - w_o
        held.append(powell_h(s, p.hessian(w_n, s), newest(held[-10:], s), 0.2))
        return held[-1]

    return sqn_like(p, make=make).run(p, lr, steps)


def sqn_by_difference(p: Problem, lr: float, steps: int) -> Found:
    """Products by central differences with |t s| = 1e-3."""

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        s = w_n - w_o
        t = 1e-3 / np.linalg.norm(s)
        up, down = p.gradient(w_n + t * s, p.curvature), p.gradient(w_n - t * s, p.curvature)
        return s, (up - down) / (2 * t)

    return sqn_like(p, make=make).run(p, lr, steps)


def sqn_aggregated(p: Problem, lr: float, steps: int) -> Found:
    """A displacement with cosine above 0.99 to the last replaces its pair."""

    def stack(pairs: list[tuple[Array, Array]], s: Array, y: Array) -> list[tuple[Array, Array]]:
        if pairs:
            last = pairs[-1][0]
            if abs(last @ s) > 0.99 * np.linalg.norm(last) * np.linalg.norm(s):
                return [*pairs[:-1], (s, y)]
        return [*pairs, (s, y)]

    return sqn_like(p, stack=stack).run(p, lr, steps)


def above_1e4_ss(s: Array, y: Array) -> bool:
    """s'y > 1e-4 s's."""
    return bool(s @ y > 1e-4 * (s @ s))


def sqn_stochqn(p: Problem, lr: float, steps: int) -> Found:
    """Averages after the step."""
    return sqn_like(p, after_step=True, test=above_1e4_ss).run(p, lr, steps)


def sqn_stochqn_difference(p: Problem, lr: float, steps: int) -> Found:
    """Gradient differences on the long batch; a skipped pair keeps the reference."""

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        return w_n - w_o, p.gradient(w_n, p.curvature) - p.gradient(w_o, p.curvature)

    return sqn_like(p, make=make, after_step=True, always_advance=False, test=above_1e4_ss).run(p, lr, steps)


def sampled_lbfgs(p: Problem, lr: float, steps: int) -> Found:
    """Ten pairs along Gaussian directions at every new iterate, from torch's CPU generator seeded with 0."""
    import torch

    generator = torch.Generator().manual_seed(0)
    n = len(p.start)

    def stack(pairs: list[tuple[Array, Array]], s: Array, y: Array) -> list[tuple[Array, Array]]:
        return list(zip(s.reshape(-1, n), y.reshape(-1, n), strict=True))

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        S = torch.randn(10, n, generator=generator, dtype=torch.float64).numpy()
        return S.ravel(), np.concatenate([p.hessian(w_n, s) for s in S])

    schedule = {"every": 1, "after_step": True, "from_start": True}
    return sqn_like(p, make=make, stack=stack, **schedule).run(p, lr, steps)


def mlbfgs(p: Problem, lr: float, steps: int) -> Found:
    """Differences of moving averages over 20 steps, tau-damped by block; the step uses an averaged gradient too."""
    means: dict[str, Array] = {}
    old: list[tuple[Array, Array]] = []
    cuts = np.cumsum(SIZES)[:-1]

    def see(k: int, w: Array, g: Array) -> None:
        if (k - 1) % 20 == 0 and means:
            old.append((means["w"], means["g"]))
        for name, value in (("w", w), ("g", g)):
            means[name] = 0.9 * means[name] + 0.1 * value if name in means else value

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array] | None:
        if not old:
            return None
        s, y = means["w"] - old[-1][0], means["g"] - old[-1][1]
        blocks = zip(np.split(s, cuts), np.split(y, cuts), strict=True)
        return s, np.concatenate([tau_damping(a, b, 0.1, 10.0, 1.0)[1] for a, b in blocks])

    def matrix(pairs: Pairs, G: Array) -> Array:
        return block_diagonal(pairs, newest_bb(pairs, len(G)))

    return sqn_like(p, see=see, make=make, matrix=matrix, from_start=True, move=lambda k, H, g: H @ means["g"]).run(
        p, lr, steps
    )


def block_diagonal(pairs: Pairs, h0: Array) -> Array:
    """A BFGS matrix for each parameter tensor, from its part of the pairs."""
    H, cuts = np.zeros((len(h0), len(h0))), np.cumsum((0, *SIZES))
    for a, b in pairwise(cuts):
        H[a:b, a:b] = bfgs([(s[a:b], y[a:b]) for s, y in pairs], h0[a:b])
    return H
