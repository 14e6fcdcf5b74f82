"""On a quadratic with exact line searches: finite termination, and conjugate gradients in disguise."""

from __future__ import annotations

import numpy as np

from verification.compare import close, holds
from verification.law import Group, Subject, law
from verification.operator.dense import Array, Direction, norm
from verification.strategies import MAX_SIZE, QuadraticCase, quadratic_cases
from verification.tolerances import TOLERANCES

QUADRATIC = TOLERANCES["quadratic"]
SMALL = 1e-6
"""A gradient this small against the first is a solved problem: further pairs would be rounding errors."""


def minimise(direction: Direction, case: QuadraticCase, pairs: int, steps: int, h0: Array) -> tuple[list[Array], Array]:
    """Gradients at the iterates, the start included, and the pairs (2, K, n); h0 (steps, n) may change at each step.

    w <- w - t H g with the exact t = g'd / d'Ad for d = H g; s = -t d, y = A s; the last ``pairs`` are kept.
    """
    A, (b, w) = case.A, case.vectors(2)
    g = A @ w - b
    gradients, kept = [g], np.zeros((2, 0, case.n))
    for k in range(steps):
        if norm(g) <= SMALL * norm(gradients[0]):
            break
        S, Y = kept[:, max(0, kept.shape[1] - pairs) :]
        d = direction(S.copy(), Y.copy(), h0[k].copy(), g.copy())
        s = -(g @ d) / (d @ A @ d) * d
        w = w + s
        g = A @ w - b
        gradients.append(g)
        kept = np.concatenate([kept, np.stack([s, A @ s])[:, None]], axis=1)
    return gradients, kept


@law(
    name="finite-termination",
    statement="all pairs kept: n exact line searches solve a quadratic, and H y_j = s_j for every j, whatever H0_k",
    source="Nocedal & Wright 2006, theorem 6.4; conjugacy holds for any sequence of positive definite H0_k.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="quadratic",
    kills=("rho_of_wrong_pair", "drops_newest_pair", "drops_oldest_pair"),
    min_pairs=MAX_SIZE,
    inputs=quadratic_cases(),
)
def finite_termination(direction: Direction, case: QuadraticCase) -> None:
    """Conjugate directions end after n steps, also with an H0 which changes at every step, as adaQN's does."""
    h0 = 2.0 ** np.random.default_rng([case.seed, 2]).uniform(-1, 1, (case.n + 1, case.n))
    gradients, (S, Y) = minimise(direction, case, case.n, case.n, h0)
    ratio = norm(gradients[-1]) / norm(gradients[0])
    bound = SMALL + QUADRATIC(c_min=1 / case.condition)
    holds(ratio <= bound, f"|g| / |g_0| after {case.n} steps: got {ratio:.3g}, at most {bound:.3g} expected")
    for j, (s, y) in enumerate(zip(S, Y, strict=True)):
        atol = QUADRATIC(c_min=1 / case.condition) * max(norm(s), norm(y)) / SMALL
        close(direction(S.copy(), Y.copy(), h0[-1].copy(), y), s, atol, f"H y_{j} against s_{j}")


@law(
    name="conjugate-gradients",
    statement="H0 = 2I, one pair or more kept, exact line searches: the gradients of conjugate gradients",
    source="Nazareth, SIAM J. Numer. Anal. 16 (1979); Nocedal & Wright 2006, section 7.2.",
    group=Group.REFERENCE,
    subject=Subject.OPERATOR,
    tolerance="quadratic",
    kills=("rho_of_wrong_pair", "drops_newest_pair", "adds_damping"),
    min_pairs=2,
    inputs=quadratic_cases(),
)
def conjugate_gradients(direction: Direction, case: QuadraticCase) -> None:
    """With exact line searches L-BFGS is the method of conjugate gradients, however few pairs it keeps."""
    steps = min(case.n, 6)
    A, (b, w) = case.A, case.vectors(2)
    g = A @ w - b
    p, expected = -g, [g]
    for _ in range(steps):
        if norm(g) <= SMALL * norm(expected[0]):
            break
        w = w + (g @ g) / (p @ A @ p) * p
        g_new = A @ w - b
        p, g = -g_new + (g_new @ g_new) / (g @ g) * p, g_new
        expected.append(g)
    h0 = np.full((steps, case.n), 2.0)
    for pairs in (1, 2):
        got, _ = minimise(direction, case, pairs, steps, h0)
        atol = QUADRATIC(c_min=1 / case.condition) * norm(expected[0])
        for k, (a, e) in enumerate(zip(got, expected, strict=False)):
            close(a, e, atol, f"gradient {k} with {pairs} pair(s) kept against conjugate gradients")


LAWS = (finite_termination, conjugate_gradients)
