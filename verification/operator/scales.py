"""What scaling, flipping and permuting the inputs does to the operator."""

from __future__ import annotations

import numpy as np

from verification.compare import close
from verification.law import Group, Subject, law
from verification.operator.dense import Direction, allowed, norm
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

OPERATOR = TOLERANCES["operator"]
WHY = "Powers of two change exponents only; roots of them, as Cholesky factors take, change the last digit."


@law(
    name="units",
    statement="(s, y) -> (4s, y/2), h0 -> 8 h0: H -> 8 H",
    source="H has the units of s / y. " + WHY,
    group=Group.INVARIANCE,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("absolute_threshold", "adds_y_for_s", "adds_damping", "root_of_h0"),
    inputs=operator_cases(),
)
def units(direction: Direction, case: OperatorCase) -> None:
    """Changing the units of the parameters and of the loss changes H by their ratio."""
    # Factors so mild that memories with an absolute test (s'y > 1e-4 s's) still take every drawn pair.
    expected = 8 * direction(case.S, case.Y, case.h0, case.v)
    got = direction(4 * case.S, case.Y / 2, 8 * case.h0, case.v)
    close(got, expected, 16 * allowed(OPERATOR, case) * norm(case.v), "H v of (4s, y/2, 8 h0) against 8 H v")


@law(
    name="pair-scale",
    statement="(s_i, y_i) -> t_i (s_i, y_i) with t_i = +-2^k: H unchanged",
    source="H depends on each pair through its direction only. " + WHY,
    group=Group.INVARIANCE,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("absolute_threshold", "rho_of_wrong_pair", "missing_rho"),
    min_pairs=1,
    inputs=operator_cases(min_pairs=1),
)
def pair_scale(direction: Direction, case: OperatorCase) -> None:
    """The length and the sign of a pair do not matter, each pair's for itself."""
    t = np.array([(-1.0) ** i * 2.0 ** (3 * i - 4) for i in range(case.m)], dtype=case.dtype)[:, None]
    expected = direction(case.S, case.Y, case.h0, case.v)
    got = direction(t * case.S, t * case.Y, case.h0, case.v)
    close(got, expected, 2 * allowed(OPERATOR, case) * norm(case.v), "H v of scaled pairs against H v")


@law(
    name="diagonal-variables",
    statement="x = Tz, T = diag(+-2^k): S/T, YT, h0/T^2 give T^-1 H T^-1",
    source="Affine invariance of BFGS, for the T which keep H0 diagonal. " + WHY,
    group=Group.INVARIANCE,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("gradient_as_scaling", "scalar_h0", "adds_damping"),
    inputs=operator_cases(),
)
def diagonal_variables(direction: Direction, case: OperatorCase) -> None:
    """Signs and units of single parameters do not matter."""
    T = np.array([(-1.0) ** (j // 2) * 2.0 ** (j % 3 - 1) for j in range(case.n)], dtype=case.dtype)
    expected = direction(case.S, case.Y, case.h0, case.v) / T
    got = direction(case.S / T, case.Y * T, case.h0 / T**2, case.v * T)
    # Factors and H of the other variables are at most |T| |T^-1| = 4 times as large, in each of two loops.
    atol = 32 * allowed(OPERATOR, case) * norm(case.v)
    close(got, expected, atol, "H v in the variables z = x/T against T^-1 H v")


@law(
    name="permutation",
    statement="the parameters in another order: H v in that order",
    source="No parameter is special; sums run in another order, hence to rounding.",
    group=Group.INVARIANCE,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("scalar_h0", "skips_first_parameter"),
    inputs=operator_cases(),
)
def permutation(direction: Direction, case: OperatorCase) -> None:
    """The order of the parameters does not matter."""
    order = np.random.default_rng(case.seed).permutation(case.n)[::-1]
    expected = direction(case.S, case.Y, case.h0, case.v)[order]
    got = direction(case.S[:, order].copy(), case.Y[:, order].copy(), case.h0[order], case.v[order])
    close(got, expected, 2 * allowed(OPERATOR, case) * norm(case.v), "H v of permuted parameters")


LAWS = (units, pair_scale, diagonal_variables, permutation)
