"""Methods with a pair at every step, each by its equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references.trajectories import algebra
from verification.references.trajectories.algebra import Pairs, bfgs, mean_bb, newest_bb, powell_b, powell_h
from verification.references.trajectories.loops import Found, online
from verification.references.trajectories.problem import SIZES, Problem

Array = NDArray[Any]


class Difference:
    """s = w_{k+1} - w_k, y = g(w_{k+1}) - g(w_k) + shift s on the rows of the sample."""

    def __init__(self, p: Problem, shift: float = 0.0, overlap: bool = False) -> None:
        self.p, self.shift, self.overlap = p, shift, overlap

    def __call__(self, k: int, w: Array, w_next: Array) -> tuple[Array, Array]:
        """The pair of step k."""
        rows = self.p.overlap(k) if self.overlap else self.p.batch(k)
        s = w_next - w
        return s, self.p.gradient(w_next, rows) - self.p.gradient(w, rows) + self.shift * s


def n_of(p: Problem) -> int:
    """The number of parameters."""
    return len(p.start)


def olbfgs(p: Problem, lr: float, steps: int) -> Found:
    """y + lambda s, mean of s'y / y'y, step tau / (tau + t)."""
    return online(
        p,
        lr,
        steps,
        pair=Difference(p, 1e-2),
        keep=10,
        matrix=lambda pairs: bfgs(pairs, mean_bb(pairs, n_of(p), 1e-4)),
        move=lambda k, H, g: 1000 / (1000 + k - 1) * (H @ g),
    )


def obfgs(p: Problem, lr: float, steps: int) -> Found:
    """The same with all pairs and H0 = I."""
    return online(
        p,
        lr,
        steps,
        pair=Difference(p, 1e-2),
        matrix=everything,
        move=lambda k, H, g: 1000 / (1000 + k - 1) * (H @ g),
    )


def newest(pairs: Pairs) -> Array:
    """H from the last pairs, H0 from the newest, I without."""
    return bfgs(pairs, newest_bb(pairs, len(pairs[0][0]))) if pairs else np.eye(sum(SIZES))


def everything(pairs: Pairs) -> Array:
    """H from all pairs, H0 = I."""
    return bfgs(pairs, np.ones(sum(SIZES)))


def dolbfgs(p: Problem, lr: float, steps: int) -> Found:
    """Powell's damping in the H form."""
    return online(
        p, lr, steps, pair=Difference(p), repair=lambda s, y, H: powell_h(s, y, H, 0.2), matrix=newest, keep=20
    )


def dobfgs(p: Problem, lr: float, steps: int) -> Found:
    """Powell's damping in the B form, all pairs, H0 = I."""
    return online(p, lr, steps, pair=Difference(p), repair=lambda s, y, H: powell_b(s, y, H, 0.2), matrix=everything)


def sdbfgs(p: Problem, lr: float, steps: int) -> Found:
    """The same with 0.25 and step lr / sqrt(k)."""
    return online(
        p,
        lr,
        steps,
        pair=Difference(p),
        matrix=everything,
        repair=lambda s, y, H: powell_b(s, y, H, 0.25),
        move=lambda k, H, g: H @ g / np.sqrt(k),
    )


def sdlbfgs(p: Problem, lr: float, steps: int) -> Found:
    """Powell's damping with B = gamma I, gamma = max(y'y / s'y, 0.1), H0 = I / gamma."""

    def gamma(s: Array, y: Array) -> float:
        return max((y @ y) / (s @ y), 0.1) if s @ y > 0 else 0.1

    def matrix(pairs: Pairs) -> Array:
        return bfgs(pairs, np.full(n_of(p), 1 / gamma(*pairs[-1]) if pairs else 10.0))

    return online(
        p,
        lr,
        steps,
        pair=Difference(p),
        keep=10,
        matrix=matrix,
        repair=lambda s, y, H: powell_b(s, y, np.eye(len(s)) / gamma(s, y), 0.25),
        move=lambda k, H, g: H @ g / np.sqrt(k),
    )


def res(p: Problem, lr: float, steps: int) -> Found:
    """B <- B - B s s'B / s'Bs + y y' / s'y + delta I, y = difference - delta s, d = (B^-1 + Gamma I) g."""
    delta, Gamma = 1e-3, 1e-4

    def matrix(pairs: Pairs) -> Array:
        B = np.eye(n_of(p))
        for s, y in pairs:
            Bs = B @ s
            B = B - np.outer(Bs, Bs) / (s @ Bs) + np.outer(y, y) / (s @ y) + delta * np.eye(len(s))
        return np.linalg.inv(B)

    return online(p, lr, steps, pair=Difference(p, -delta), matrix=matrix, move=lambda k, H, g: H @ g + Gamma * g)


def lres(p: Problem, lr: float, steps: int) -> Found:
    """d = (B + delta I)^-1 g + Gamma g with B the L-BFGS matrix of 20 pairs."""
    delta, Gamma = 1e-3, 1e-4

    def matrix(pairs: Pairs) -> Array:
        B = np.linalg.inv(bfgs(pairs, newest_bb(pairs, n_of(p))))
        return np.linalg.inv(B + delta * np.eye(n_of(p)))

    return online(
        p, lr, steps, pair=Difference(p, -delta), matrix=matrix, keep=20, move=lambda k, H, g: H @ g + Gamma * g
    )


def olbfgs_stochqn(p: Problem, lr: float, steps: int) -> Found:
    """s'y > 1e-4 s's."""
    test = lambda s, y: bool(s @ y > 1e-4 * (s @ s))  # noqa: E731
    return online(p, lr, steps, pair=Difference(p), test=test, matrix=newest, keep=10)


def multibatch(p: Problem, lr: float, steps: int) -> Found:
    """Differences on the overlap, s'y > 1e-4 s's."""
    test = lambda s, y: bool(s @ y > 1e-4 * (s @ s))  # noqa: E731
    return online(p, lr, steps, pair=Difference(p, overlap=True), test=test, matrix=newest, keep=10)


def damped_lbfgs(p: Problem, lr: float, steps: int) -> Found:
    """Powell's damping in the B form on 10 pairs."""
    return online(
        p, lr, steps, pair=Difference(p), repair=lambda s, y, H: powell_b(s, y, H, 0.2), matrix=newest, keep=10
    )


def soft_lbfgs(p: Problem, lr: float, steps: int) -> Found:
    """rho = 1 / (s'y + tau), tau = s's / 100, in H and in H0."""

    def matrix(pairs: Pairs) -> Array:
        if not pairs:
            return np.eye(n_of(p))
        s, y = pairs[-1]
        gamma = (s @ y + 1e-2 * (s @ s)) / (y @ y)
        return bfgs(pairs, np.full(n_of(p), gamma), softness=1e-2)

    test = lambda s, y: bool(s @ y > 1e-4 * (s @ s))  # noqa: E731
    return online(p, lr, steps, pair=Difference(p), test=test, keep=10, matrix=matrix)


def double_damped(p: Problem, lr: float, steps: int) -> Found:
    """Powell H 0.2, then s'y >= 0.1 s's; H0 = I; the gradient averaged with 0.9."""
    mean: list[Array] = []

    def move(k: int, H: Array, g: Array) -> Array:
        mean.append(0.9 * mean[-1] + 0.1 * g if mean else g)
        d: Array = H @ mean[-1]
        return d

    return online(
        p,
        lr,
        steps,
        pair=Difference(p),
        keep=20,
        matrix=everything,
        repair=lambda s, y, H: algebra.levenberg(*powell_h(s, y, H, 0.2), 0.1),
        test=lambda s, y: bool(s @ y > 1e-4 * (s @ s)),
        move=move,
    )
