"""The operator equals four independent forms of itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from verification.compare import close
from verification.conditioning import Conditioning
from verification.law import Group, Law, Subject, law
from verification.operator.dense import Array, Direction, by_inverse, norm
from verification.references import compact, dense_bfgs, scipy_operator, two_loop
from verification.strategies import OperatorCase, QuadraticCase, operator_cases, quadratic_cases
from verification.tolerances import TOLERANCES

PAIRS = 4
"""How many pairs L-BFGS-B keeps."""
KILLS = (
    "gradient_as_scaling",
    "rho_of_wrong_pair",
    "second_loop_backwards",
    "adds_y_for_s",
    "drops_newest_pair",
    "drops_oldest_pair",
    "pairs_newest_first",
    "root_of_h0",
    "sums_from_the_oldest",
)


def _equals(name: str, form: str, reference: Direction, statement: str, source: str) -> Law:
    """The law that the operator equals ``reference``, which computes in float64 with its own error ``form``."""
    own: Callable[..., float] = TOLERANCES[form]

    @law(
        name=name,
        statement=statement,
        source=source,
        group=Group.REFERENCE,
        subject=Subject.OPERATOR,
        tolerance="operator",
        kills=KILLS,
        inputs=operator_cases(),
    )
    def check(direction: Direction, case: OperatorCase) -> None:
        got: Array = direction(case.S, case.Y, case.h0, case.v)
        expected = reference(case.S, case.Y, case.h0, case.v)
        c = case.conditioning
        rtol = TOLERANCES["operator"](case.dtype, m=c.m, n=c.n, c_min=c.c_min)
        rtol += own("float64", m=c.m, n=c.n, c_min=c.c_min)
        atol = (rtol * c.magnitude + by_inverse(case)) * norm(case.v)
        close(got, expected, atol, f"H v against {form}")

    return check


equals_two_loop = _equals(
    "equals-two-loop",
    "operator",
    two_loop.direction,
    "H v = the two-loop recursion",
    "Nocedal & Wright 2006, Algorithm 7.4",
)
equals_dense = _equals(
    "equals-dense-bfgs",
    "dense",
    dense_bfgs.direction,
    "H v = H_m v, H_i = V_i'H_{i-1}V_i + rho_i s_i s_i'",
    "Nocedal & Wright 2006, (6.17)",
)
equals_compact = _equals(
    "equals-compact",
    "compact",
    compact.direction,
    "H v = the compact form of Byrd, Nocedal & Schnabel",
    "Byrd, Nocedal & Schnabel, Math. Programming 63 (1994), Theorem 2.2",
)
equals_scipy = _equals(
    "equals-scipy",
    "operator",
    scipy_operator.direction,
    "H v = P (scipy LbfgsInvHessProduct of P^-1 s, P y) P v, P = sqrt(H0)",
    "scipy.optimize.LbfgsInvHessProduct with a change of variables for a diagonal H0",
)


@law(
    name="equals-l-bfgs-b",
    statement="on the pairs that scipy.optimize.minimize(method='L-BFGS-B') took on a quadratic: H v = res.hess_inv v",
    source="scipy.optimize.minimize; its hess_inv is the matrix of the last maxcor pairs around H0 = I, not the "
    "scaled one with which the solver stepped.",
    group=Group.REFERENCE,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=("rho_of_wrong_pair", "second_loop_backwards", "drops_newest_pair", "pairs_newest_first"),
    min_pairs=PAIRS,
    inputs=quadratic_cases(),
)
def equals_l_bfgs_b(direction: Direction, case: QuadraticCase) -> None:
    """Real pairs of a real solver, not drawn ones."""
    A, (b, start, v) = case.A, case.vectors(3)

    def objective(w: Array) -> tuple[float, Array]:
        return float(w @ A @ w / 2 - b @ w), A @ w - b

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxcor": PAIRS, "maxiter": 2 * PAIRS})
    S, Y, ones = found.hess_inv.sk, found.hess_inv.yk, np.ones(case.n)
    c = Conditioning.of(S, Y, ones)
    atol = 2 * TOLERANCES["operator"](m=c.m, n=c.n, c_min=c.c_min) * c.magnitude * norm(v)
    close(direction(S.copy(), Y.copy(), ones, v.copy()), found.hess_inv.dot(v), atol, "H v against res.hess_inv v")


LAWS = (equals_two_loop, equals_dense, equals_compact, equals_scipy, equals_l_bfgs_b)
