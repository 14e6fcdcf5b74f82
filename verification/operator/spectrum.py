"""Trace, determinant and norm of one more update."""

from __future__ import annotations

import numpy as np

from verification.compare import close, holds
from verification.law import Group, Subject, law
from verification.operator.dense import Array, Direction, allowed, matrix, smallest_eigenvalue
from verification.references import dense_bfgs
from verification.strategies import COSINES, DTYPES, OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

OPERATOR, DETERMINANT = TOLERANCES["operator"], TOLERANCES["determinant"]


def _before_and_after(direction: Direction, case: OperatorCase) -> tuple[Array, Array, Array, Array]:
    """H without and with the newest pair, and that pair, in float64."""
    H = matrix(direction, case.S[:-1], case.Y[:-1], case.h0)
    H_new = matrix(direction, case.S, case.Y, case.h0)
    return H, H_new, case.S[-1].astype(np.float64), case.Y[-1].astype(np.float64)


@law(
    name="trace",
    statement="tr H+ = tr H - 2 rho s'Hy + rho (1 + rho y'Hy) s's",
    source="Trace of the BFGS update; Nocedal & Wright 2006, (6.17).",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("rho_of_wrong_pair", "adds_y_for_s", "drops_newest_pair"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1),
)
def trace(direction: Direction, case: OperatorCase) -> None:
    """The trace changes by the formula."""
    H, H_new, s, y = _before_and_after(direction, case)
    rho = 1 / (s @ y)
    expected = np.trace(H) - 2 * rho * (s @ H @ y) + rho * (1 + rho * (y @ H @ y)) * (s @ s)
    c = case.conditioning
    atol = allowed(OPERATOR, case) * case.n * 4 / c.c_min**2  # H enters divided by c^2, |s||y| rho = 1/c
    close(np.trace(H_new), expected, atol, "tr H+ against the formula")


@law(
    name="determinant",
    statement="ln det H+ = ln det H + ln(s'Bs / s'y), B = H^-1",
    source="Nocedal & Wright 2006, exercise 6.10 and (6.44).",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="determinant",
    kills=("rho_of_wrong_pair", "adds_y_for_s", "drops_newest_pair"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1, cosines=COSINES[:3], dtypes=DTYPES[:1]),  # else ln det says little
)
def determinant(direction: Direction, case: OperatorCase) -> None:
    """The determinant changes by the ratio of two curvatures along s."""
    H, H_new, s, y = _before_and_after(direction, case)
    B = dense_bfgs.hessian(case.S[:-1], case.Y[:-1], case.h0)
    expected = np.linalg.slogdet(H)[1] + np.log((s @ B @ s) / (s @ y))
    c = case.conditioning
    # ln det has relative condition |H^-1|: a perturbation E of H moves it by at most n |E| / lambda_min.
    atol = DETERMINANT(case.dtype, n=c.n, c_min=c.c_min) * c.magnitude
    atol = atol / smallest_eigenvalue(case.S, case.Y, case.h0)
    close(np.linalg.slogdet(H_new)[1], expected, atol, "ln det H+ against the formula")


@law(
    name="norm-growth",
    statement="|H+| <= |H| / c^2 + s's / s'y, c the cosine of the pair",
    source="|I - rho s y'| = |s||y| / s'y = 1/c exactly.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("adds_y_for_s", "sign_of_alpha"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1),
)
def norm_growth(direction: Direction, case: OperatorCase) -> None:
    """One pair cannot lengthen directions by more than its cosine allows."""
    H, H_new, s, y = _before_and_after(direction, case)
    c2 = (s @ y) ** 2 / ((s @ s) * (y @ y))
    bound = np.linalg.norm(H, 2) / c2 + (s @ s) / (s @ y)
    got, atol = np.linalg.norm(H_new, 2), allowed(OPERATOR, case) * np.sqrt(case.n) / c2
    holds(got <= bound + atol, f"|H+|: got {got:.6g}, at most {bound:.6g} expected, allowed {atol:.3g} more")


@law(
    name="psi",
    statement="psi(B+) = psi(B) - |Bs|^2 / s'Bs + y'y / s'y - ln(s'y / s'Bs), psi(B) = tr B - ln det B, B = H^-1",
    source="Byrd & Nocedal, SIAM J. Numer. Anal. 26 (1989), (2.5) to (2.9); Nocedal & Wright 2006, (6.45).",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="determinant",
    kills=("rho_of_wrong_pair", "adds_y_for_s", "ignores_h0"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1, cosines=COSINES[:3], dtypes=DTYPES[:1]),
)
def psi(direction: Direction, case: OperatorCase) -> None:
    """The measure of size in the convergence proofs of BFGS changes by its formula."""
    _, H_new, s, y = _before_and_after(direction, case)
    B = dense_bfgs.hessian(case.S[:-1], case.Y[:-1], case.h0)
    Bs, got = B @ s, np.trace(np.linalg.inv(H_new)) + np.linalg.slogdet(H_new)[1]
    expected = np.trace(B) - np.linalg.slogdet(B)[1] - (Bs @ Bs) / (s @ Bs) + (y @ y) / (s @ y)
    expected -= np.log((s @ y) / (s @ Bs))
    c, least = case.conditioning, smallest_eigenvalue(case.S, case.Y, case.h0)
    atol = DETERMINANT(case.dtype, n=c.n, c_min=c.c_min) * c.magnitude / least
    close(got, expected, atol * (1 + 1 / least), "psi(B+) against the formula")  # |dB| <= |dH| / lambda_min^2


@law(
    name="spectral-bound",
    statement="y'y / s'y <= M, s's / s'y <= 1 / mu, k = M / mu: |H| <= k^m |H0| + (k^m - 1) / ((k - 1) mu)",
    source="norm-growth, m times over: 1 / c^2 <= M / mu. The lower bound is the law positive-definite.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("adds_y_for_s", "inverse_of_h0"),
    inputs=operator_cases(cosines=COSINES[:2]),
)
def spectral_bound(direction: Direction, case: OperatorCase) -> None:
    """What curvature tests promise of the longest direction."""
    S, Y = case.S.astype(np.float64), case.Y.astype(np.float64)
    s_y = np.einsum("ij,ij->i", S, Y)
    bound = float(case.h0.max())
    if case.m:
        M = float((np.einsum("ij,ij->i", Y, Y) / s_y).max())
        longest = float((np.einsum("ij,ij->i", S, S) / s_y).max())
        for _ in range(case.m):
            bound = M * longest * bound + longest
    got = float(np.linalg.norm(matrix(direction, case.S, case.Y, case.h0), 2))
    atol = allowed(OPERATOR, case) * np.sqrt(case.n)
    holds(got <= bound + atol, f"|H|: got {got:.6g}, at most {bound:.6g} expected, allowed {atol:.3g} more")


LAWS = (trace, determinant, norm_growth, psi, spectral_bound)
