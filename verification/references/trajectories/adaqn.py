"""adaQN and its variations, each as what it changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from verification.references.trajectories.algebra import Pairs, bfgs
from verification.references.trajectories.loops import Found, Windows
from verification.references.trajectories.problem import SIZES, Problem
from verification.references.trajectories.windows import above_1e4_ss

Array = NDArray[Any]


def fisher(F: list[Array], s: Array, factor: float) -> Array:
    """y = factor sum g (g's)."""
    result: Array = factor * sum(g * (g @ s) for g in F)
    return result


def adaqn_like(**changes: Any) -> Windows:
    """y = mean g (g's), H0 = 1 / sqrt(sum g g + 1e-4), s'y > 1e-4 y'y, roll back above 1.01 times the loss."""
    given: dict[str, Any] = {
        "make": lambda F, w_n, w_o, k: (w_n - w_o, fisher(F, w_n - w_o, 1 / len(F))),
        "matrix": lambda pairs, G: bfgs(pairs, 1 / np.sqrt(G + 1e-4)),
        "test": lambda s, y: bool(s @ y > 1e-4 * (y @ y) and s @ y > 0),
    }
    return Windows(**(given | changes))


def adaqn(p: Problem, lr: float, steps: int) -> Found:
    """The default reading."""
    return adaqn_like().run(p, lr, steps)


def minsqn(p: Problem, lr: float, steps: int) -> Found:
    """No 1/|F|, RMS scaling with eps = sqrt(macheps), 20 pairs, F kept on a roll-back."""
    return adaqn_like(
        make=lambda F, w_n, w_o, k: (w_n - w_o, fisher(F, w_n - w_o, 1.0)),
        squares=lambda G, g: 0.9 * G + 0.1 * g * g,
        matrix=lambda pairs, G: bfgs(pairs, 1 / np.sqrt(G + 2.0**-26)),
        keep=20,
        clear_gradients=False,
    ).run(p, lr, steps)


def stochqn(p: Problem, lr: float, steps: int) -> Found:
    """Averages after the step, s'y > 1e-4 s's."""
    return adaqn_like(after_step=True, test=above_1e4_ss).run(p, lr, steps)


def stochqn_difference(p: Problem, lr: float, steps: int) -> Found:
    """y = gradient difference on the long batch + 1e-3 s."""

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        s = w_n - w_o
        return s, p.gradient(w_n, p.curvature) - p.gradient(w_o, p.curvature) + 1e-3 * s

    return adaqn_like(make=make, after_step=True, test=above_1e4_ss).run(p, lr, steps)


def stochqn_rmsprop(p: Problem, lr: float, steps: int) -> Found:
    """RMS scaling, steps lr / sqrt((k - 1) / 100 + 1)."""
    return adaqn_like(
        after_step=True,
        test=above_1e4_ss,
        squares=lambda G, g: 0.9 * G + 0.1 * g * g,
        move=lambda k, H, g: H @ g / np.sqrt((k - 1) / 100 + 1),
    ).run(p, lr, steps)


def rescaled(p: Problem, lr: float, steps: int) -> Found:
    """y = (50 / |F|) sum g (g's), s'y > 0."""
    return adaqn_like(
        make=lambda F, w_n, w_o, k: (w_n - w_o, fisher(F, w_n - w_o, 50 / len(F))), test=lambda s, y: bool(s @ y > 0)
    ).run(p, lr, steps)


def centred(p: Problem, lr: float, steps: int) -> Found:
    """y = 50 C s + m (m's) with mean m and covariance C of the stored gradients, s'y > 0."""

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        s, m, C = w_n - w_o, np.mean(F, axis=0), np.cov(np.array(F).T, bias=True)
        return s, 50 * C @ s + m * (m @ s)

    return adaqn_like(make=make, test=lambda s, y: bool(s @ y > 0)).run(p, lr, steps)


def gauss_newton(p: Problem, lr: float, steps: int) -> Found:
    """y = (Gauss-Newton matrix of the curvature batch) s."""
    return adaqn_like(make=lambda F, w_n, w_o, k: (w_n - w_o, p.gauss_newton(w_n, w_n - w_o))).run(p, lr, steps)


def adam(p: Problem, lr: float, steps: int) -> Found:
    """H0 = 1 / sqrt(V / (1 - 0.999^t) + 1e-8)."""
    seen = [0]

    def squares(G: Array, g: Array) -> Array:
        seen[0] += 1
        return 0.999 * G + 0.001 * g * g

    def matrix(pairs: Pairs, G: Array) -> Array:
        return bfgs(pairs, 1 / np.sqrt(G / (1 - 0.999 ** seen[0]) + 1e-8))

    return adaqn_like(squares=squares, matrix=matrix).run(p, lr, steps)


def cosine(p: Problem, lr: float, steps: int) -> Found:
    """s'y > 1e-4 |s| |y|."""
    return adaqn_like(test=lambda s, y: bool(s @ y > 1e-4 * np.linalg.norm(s) * np.linalg.norm(y))).run(p, lr, steps)


def per_tensor(p: Problem, lr: float, steps: int) -> Found:
    """A matrix for each parameter tensor, which keeps its part of a pair iff the part passes the test."""
    blocks: list[list[tuple[Array, Array]]] = [[] for _ in SIZES]
    cuts = np.cumsum((0, *SIZES))

    def passing(s: Array, y: Array) -> list[bool]:
        return [bool(s[c] @ y[c] > 1e-4 * (y[c] @ y[c]) and s[c] @ y[c] > 0) for c in map(slice, cuts[:-1], cuts[1:])]

    def stack(pairs: list[tuple[Array, Array]], s: Array, y: Array) -> list[tuple[Array, Array]]:
        for held, passes, cut in zip(blocks, passing(s, y), map(slice, cuts[:-1], cuts[1:]), strict=True):
            if passes:
                held[:] = [*held, (s[cut], y[cut])][-10:]
        return []

    def matrix(pairs: Pairs, G: Array) -> Array:
        h0 = np.split(1 / np.sqrt(G + 1e-4), cuts[1:-1])
        return np.asarray(block_diag(*(bfgs(held, h) for held, h in zip(blocks, h0, strict=True))))

    def settle(kind: str) -> None:
        if kind == "ROLLED_BACK":
            for held in blocks:
                held.clear()

    test = lambda s, y: any(passing(s, y))  # noqa: E731
    return adaqn_like(test=test, stack=stack, matrix=matrix, settle=settle).run(p, lr, steps)


def rounded(p: Problem, lr: float, steps: int) -> Found:
    """Stored gradients with 8 bits of mantissa, rounded to nearest even."""

    def bfloat16(g: Array) -> Array:
        bits = g.astype(np.float32).view(np.uint32)
        even = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
        return even.view(np.float32).astype(np.float64)

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        return w_n - w_o, fisher([bfloat16(g) for g in F], w_n - w_o, 1 / len(F))

    return adaqn_like(make=make).run(p, lr, steps)


def trust(p: Problem, lr: float, steps: int) -> Found:
    """|d| <= 1."""
    return adaqn_like(move=lambda k, H, g: H @ g * min(1.0, 1 / np.linalg.norm(H @ g))).run(p, lr, steps)


def asnaq(p: Problem, lr: float, steps: int) -> Found:
    """d = (unit vector along H g) + mu u with u <- mu u + (unit vector): v = -lr u; u and mu go back with w."""
    u, kept, mu = np.zeros_like(p.start), np.zeros_like(p.start), 0.8

    def move(k: int, H: Array, g: Array) -> Array:
        nonlocal u
        d = H @ g / np.linalg.norm(H @ g)
        u = mu * u + d
        result: Array = d + mu * u
        return result

    def settle(kind: str) -> None:
        nonlocal u, kept, mu
        if kind == "ADVANCED":
            kept, mu = u, min(1.1 * mu, 0.95)
        elif kind == "ROLLED_BACK":
            u, mu = kept, mu / 1.1

    return adaqn_like(move=move, settle=settle).run(p, lr, steps)
