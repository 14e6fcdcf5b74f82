"""H as a linear, symmetric, positive definite operator in which H0 is visible."""

from __future__ import annotations

import numpy as np

from verification.compare import close, holds, same
from verification.law import Group, Subject, law
from verification.operator.dense import Direction, allowed, matrix, norm, smallest_eigenvalue
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

OPERATOR, LINEAR = TOLERANCES["operator"], TOLERANCES["linear"]


@law(
    name="newest-secant",
    statement="H y_m = s_m",
    source="Nocedal & Wright 2006, (6.4). Alone it proves little: it holds whatever H0 and the older pairs are.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("rho_of_wrong_pair", "second_loop_backwards", "drops_newest_pair"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1),
)
def newest_secant(direction: Direction, case: OperatorCase) -> None:
    """The newest pair satisfies the secant equation."""
    y = case.Y[-1]
    got = direction(case.S, case.Y, case.h0, y)
    close(got, case.S[-1], allowed(OPERATOR, case) * norm(y), "H y_m against s_m")


@law(
    name="symmetry",
    statement="u'Hv = v'Hu",
    source="The BFGS update of a symmetric H is symmetric; Nocedal & Wright 2006, (6.17).",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("gradient_as_scaling", "second_loop_backwards", "rho_of_wrong_pair"),
    inputs=operator_cases(),
)
def symmetry(direction: Direction, case: OperatorCase) -> None:
    """H is symmetric: the way in equals the way out."""
    u, v = case.u, case.v
    uHv = u.astype(np.float64) @ direction(case.S, case.Y, case.h0, v).astype(np.float64)
    vHu = v.astype(np.float64) @ direction(case.S, case.Y, case.h0, u).astype(np.float64)
    close(uHv, vHu, allowed(OPERATOR, case) * norm(u) * norm(v), "u'Hv against v'Hu")


@law(
    name="linearity",
    statement="H(2u - v/4) = 2Hu - Hv/4",
    source="H is a matrix; the factors are powers of two so that no rounding comes from them.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("gradient_as_scaling", "normalises_direction"),
    inputs=operator_cases(),
)
def linearity(direction: Direction, case: OperatorCase) -> None:
    """H is linear."""
    u, v = case.u, case.v
    Hu, Hv = (direction(case.S, case.Y, case.h0, x) for x in (u, v))
    got = direction(case.S, case.Y, case.h0, 2 * u - v / 4)
    atol = allowed(OPERATOR, case) * (2 * norm(u) + norm(v))
    close(got, 2 * Hu - Hv / 4, atol, "H(2u - v/4) against 2Hu - Hv/4")


@law(
    name="purity",
    statement="H v twice: the same bits, and S, Y, h0, v as they were",
    source="A matrix-vector product has no side effects; minSQN's two-loop updated the accumulators of H0.",
    group=Group.CONTRACT,
    subject=Subject.OPERATOR,
    kills=("writes_into_argument", "remembers_last_call"),
    inputs=operator_cases(),
)
def purity(direction: Direction, case: OperatorCase) -> None:
    """Applying H changes nothing, and is repeatable."""
    given = (case.S, case.Y, case.h0, case.v)
    first = direction(*given).copy()
    for name, now, before in zip(("S", "Y", "h0", "v"), given, (case.S, case.Y, case.h0, case.v), strict=True):
        same(now, before, f"{name} after H v")
    same(direction(*given), first, "H v the second time")


@law(
    name="positive-definite",
    statement="lambda_min(H) >= 1 / (max 1/h0 + sum_i y_i'y_i / s_i'y_i) > 0",
    source="B+ <= B + yy'/s'y; Byrd, Hansen, Nocedal & Singer 2016, Lemma 3.1.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("gradient_as_scaling", "adds_y_for_s", "sign_of_alpha"),
    inputs=operator_cases(),
)
def positive_definite(direction: Direction, case: OperatorCase) -> None:
    """H is positive definite, with a lower bound that every pair and h0 enter."""
    H = matrix(direction, case.S, case.Y, case.h0)
    least = float(np.linalg.eigvalsh((H + H.T) / 2)[0])
    bound = smallest_eigenvalue(case.S, case.Y, case.h0)
    atol = allowed(OPERATOR, case) * np.sqrt(case.n)
    holds(least >= bound - atol, f"lambda_min(H): got {least:.6g}, at least {bound:.6g} expected, allowed {atol:.3g}")


@law(
    name="no-pairs",
    statement="without pairs H v = H0 v",
    source="Nocedal & Wright 2006, Algorithm 7.4 with m = 0.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="linear",
    kills=("ignores_h0", "root_of_h0", "inverse_of_h0"),
    inputs=operator_cases(),
)
def no_pairs(direction: Direction, case: OperatorCase) -> None:
    """Without pairs nothing but H0 acts."""
    got = direction(case.S[:0], case.Y[:0], case.h0, case.v)
    expected = case.h0.astype(np.float64) * case.v.astype(np.float64)
    close(got, expected, LINEAR(case.dtype) * np.abs(expected), "H v without pairs against h0 v")


@law(
    name="h0-visible",
    statement="v orthogonal to span(S): P H v = P H0 v, P the projection off span(S)",
    source="For such v the first loop does nothing and the second adds multiples of s_i only.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("gradient_as_scaling", "ignores_h0", "root_of_h0"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1, min_size=2),
)
def h0_visible(direction: Direction, case: OperatorCase) -> None:
    """Off the span of the displacements only H0 acts: this is where a wrong H0 cannot hide."""
    case = case.last(case.n - 1)
    Q, _ = np.linalg.qr(case.S.astype(np.float64).T)
    v = (case.v - Q @ (Q.T @ case.v)).astype(case.dtype)
    got = direction(case.S, case.Y, case.h0, v).astype(np.float64)
    expected = (case.h0 * v).astype(np.float64)
    atol = allowed(OPERATOR, case) * norm(case.v)
    close(got - Q @ (Q.T @ got), expected - Q @ (Q.T @ expected), atol, "P H v against P H0 v")


LAWS = (newest_secant, symmetry, linearity, purity, positive_definite, no_pairs, h0_visible)
