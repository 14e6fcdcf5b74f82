"""The operator equals four independent forms of itself."""

from __future__ import annotations

from collections.abc import Callable

from verification.compare import close
from verification.law import Group, Law, Subject, law
from verification.laws.operators import Array, Direction, norm
from verification.references import compact, dense_bfgs, scipy_operator, two_loop
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

KILLS = (
    "gradient_as_scaling",
    "rho_of_wrong_pair",
    "second_loop_backwards",
    "adds_y_for_s",
    "drops_newest_pair",
    "drops_oldest_pair",
    "pairs_newest_first",
    "root_of_h0",
)


def _equals(name: str, form: str, reference: Direction, statement: str, source: str) -> Law:
    """The law that the operator equals ``reference``, which computes in float64 with its own error ``form``."""
    own: Callable[..., float] = TOLERANCES[form]

    @law(
        name=name,
        number=5,
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
        close(got, expected, rtol * c.magnitude * norm(case.v), f"H v against {form}")

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

LAWS = (equals_two_loop, equals_dense, equals_compact, equals_scipy)
