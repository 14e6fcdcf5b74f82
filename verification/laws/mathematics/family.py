"""The family's memories: dampings, inverses, dense, soft, shifted, aggregated and block-wise matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adaqn_lab import Space
from adaqn_lab.operator import InverseHessian
from verification.compare import close, holds, same, torch_dtype
from verification.conditioning import Conditioning
from verification.law import Group, Law, Property, Subject, law
from verification.laws.operators import norm
from verification.parts import Array, array, by_entries, displacement, operator_of, tensor
from verification.references import dense_bfgs
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES, Tolerance

Factory = Callable[[], Any]
CASES = operator_cases(min_size=2, cosines=(1.0, 0.7, 0.3), dtypes=("float64",))
LINEAR, OPERATOR, DENSE, INVERSE = (TOLERANCES[name] for name in ("linear", "operator", "dense", "inverse"))


class Held:
    """One run of a memory around a fixed diagonal H0, with the case's pairs offered."""

    def __init__(self, part: Any, case: OperatorCase, shapes: tuple[tuple[int, ...], ...] = ()) -> None:
        self.part, self.h0 = part, tensor(case.h0)
        self.space = Space(1, case.n, torch_dtype(case.dtype), shapes=shapes)
        self.state = part.init(self.space)
        self.products: list[tuple[float, float, float]] = []
        for s, y in zip(case.S, case.Y, strict=True):
            self.admit(s, y)

    @property
    def operator(self) -> InverseHessian:
        """H and B as the parts see them."""
        return operator_of(self.part, self.state, by_entries(self.h0[None]))

    def __call__(self, v: Any) -> Any:
        """H v, as a step makes it."""
        return self.operator.apply_(v.clone())

    def inverse(self, v: Any) -> Any:
        """B v."""
        return self.operator.inverse(v)

    def admit(self, s: Array, y: Array) -> Any:
        """Offer a pair; return the verdict."""
        move = displacement(tensor(s[None]), self.space.mask(True))
        verdict = self.part.admit_(self.state, move, tensor(y[None]), self.operator)
        if bool(verdict.admitted):
            self.products.append((float(verdict.s_y), float(verdict.s_s), float(verdict.y_y)))
        return verdict

    def H(self) -> Array:
        """The matrix, column by column."""
        return np.stack([array(self(tensor(e[None])))[0] for e in np.eye(self.space.size)], axis=1)

    @property
    def conditioning(self) -> Conditioning:
        """Of the pairs as they were admitted: a repair may have changed them."""
        s_y, s_s, y_y = np.array(self.products).reshape(-1, 3).T
        return Conditioning.of_products(s_y, s_s, y_y, array(self.h0))

    def allowed(self, tolerance: Tolerance) -> float:
        """How far two forms of H v, or of B v by ``inverse``, may part per unit of |v|."""
        c = self.conditioning
        size = c.magnitude * c.inverse if tolerance is INVERSE else c.magnitude
        return 2 * tolerance(m=c.m, n=c.n, c_min=c.c_min) * size


Bound = Callable[[Held, Array, Array], tuple[float, float]]
"""(memory, s, y) -> the least curvature that is stored, and how far rounding may move it."""


def _damped(name: str, statement: str, source: str, needs: Property, kills: tuple[str, ...], bound: Bound) -> Law:
    """The law that the stored curvature is the larger of the pair's own and ``bound(held, s, y)``."""

    @law(
        name=name,
        number=12,
        statement=statement,
        source=source,
        group=Group.MATHEMATICS,
        subject=Subject.MEMORY,
        tolerance="inverse",
        kills=kills,
        needs=frozenset({needs}),
        inputs=CASES,
    )
    def check(factory: Factory, case: OperatorCase) -> None:
        held = Held(factory(), case)
        s, y = case.u, case.v
        least, error = bound(held, s, y)
        got = held.admit(s, y)
        # The repaired pair is a blend with weights 0 to 1; its lengths bound every term of its product.
        rounding = LINEAR(n=case.n) * (norm(s) * norm(y) + np.sqrt(float(got.s_s * got.y_y)))
        close(float(got.s_y), max(float(s @ y), least), error + rounding, "the repaired pair's s'y")

    return check


def _s_b_s(held: Held, s: Array, y: Array) -> tuple[float, float]:
    """delta s'Bs with B s from H, and its error: with dB = B dH B that is |B s| |dH| |B s|, |B s| <= |B| |s|."""
    Bs, delta = np.linalg.solve(held.H(), s), held.part.by.delta
    return delta * float(s @ Bs), delta * held.allowed(INVERSE) * norm(Bs) * norm(s)


def _y_h_y(held: Held, s: Array, y: Array) -> tuple[float, float]:
    """delta y'Hy, and its error."""
    delta = held.part.by.delta
    return delta * float(y @ held.H() @ y), delta * held.allowed(OPERATOR) * norm(y) ** 2


damped_b = _damped(
    "damped-b",
    "any pair is stored with s'y = max(s'y, delta s'Bs)",
    "Powell 1978; Nocedal & Wright 2006, Procedure 18.2",
    Property.DAMPED_B,
    ("damps_with_h_for_b", "forgets_to_damp"),
    _s_b_s,
)
damped_h = _damped(
    "damped-h",
    "any pair is stored with s'y = max(s'y, delta y'Hy)",
    "minSQN; K-BFGS, Goldfarb, Ren & Bahamou 2020",
    Property.DAMPED_H,
    ("damps_with_gradient", "forgets_to_damp"),
    _y_h_y,
)
damped_ss = _damped(
    "damped-ss",
    "any pair is stored with s'y = max(s'y, mu s's)",
    "K-BFGS, Goldfarb, Ren & Bahamou 2020, the second damping",
    Property.DAMPED_SS,
    ("forgets_to_damp",),
    lambda held, s, y: (held.part.by.mu * float(s @ s), LINEAR(n=len(s)) * float(s @ s)),
)


def _gamma_s_s(held: Held, s: Array, y: Array) -> tuple[float, float]:
    """delta gamma s's, gamma = max(y'y / s'y, floor) or floor where s'y <= 0, and its error."""
    by, s_y = held.part.by, float(s @ y)
    gamma = max(float(y @ y) / s_y, by.floor) if s_y > 0 else by.floor
    least = by.delta * gamma * float(s @ s)
    # gamma is as sensitive to s'y as 1 / cos(s, y).
    return least, LINEAR(n=len(s)) * least * (1 + norm(s) * norm(y) / abs(s_y))


damped_scaled = _damped(
    "damped-scaled",
    "any pair is stored with s'y = max(s'y, delta gamma s's), gamma = max(y'y / s'y, floor), floor where s'y <= 0",
    "SdLBFGS, Wang, Ma, Goldfarb & Liu, SIAM J. Optim. 27 (2017): Powell's damping with B = gamma I",
    Property.DAMPED_SCALED,
    ("forgets_to_damp", "gamma_without_floor", "gamma_upside_down"),
    _gamma_s_s,
)


@law(
    name="tau-damped",
    number=12,
    statement="any pair is stored with lower <= s'y / s's <= upper (tau_0 = 1)",
    source="mL-BFGS, Niu et al. 2023",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("forgets_to_damp",),
    needs=frozenset({Property.TAU_DAMPED}),
    inputs=CASES,
)
def tau_damped(factory: Factory, case: OperatorCase) -> None:
    """The Rayleigh quotient stays between its bounds, from both sides."""
    held = Held(factory(), case)
    for y in (-case.v, 100 * case.u + case.v):
        verdict = held.admit(case.u, y)
        mu, by = float(verdict.s_y / verdict.s_s), held.part.by
        atol = LINEAR(n=case.n) * (norm(y) + norm(case.u)) / norm(case.u)  # y' is a blend of y and s
        holds(by.lower - atol <= mu <= by.upper + atol, f"s'y / s's = {mu}, [{by.lower}, {by.upper}] expected")


@law(
    name="regularised-pair",
    number=12,
    statement="the memory is as if (s, y + shift s) had been offered for (s, y)",
    source="y_reg of stochQN; oBFGS, Schraudolph, Yu & Guenter 2007",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    kills=("forgets_to_regularise", "regularises_along_y"),
    needs=frozenset({Property.REGULARISED}),
    inputs=CASES,
)
def regularised_pair(factory: Factory, case: OperatorCase) -> None:
    """Curvature rises by the shift along s."""
    part = factory()
    got, bare = Held(part, case.last(0)), Held(part.of, case.last(0))
    for s, y in zip(case.S, case.Y, strict=True):
        got.admit(s, y)
        bare.admit(s, (tensor(y).add(tensor(s), alpha=part.by.shift)).numpy())
    same(got.H(), bare.H(), "H of the repaired pairs against H of (s, y + shift s)")


@law(
    name="memory-inverse",
    number=5,
    statement="H (B v) = v and B (H v) = v",
    source="Byrd, Nocedal & Schnabel 1994, Theorems 2.2 and 2.3: the compact forms of H and of B.",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("inverse_without_older_pairs", "inverse_is_h"),
    needs=frozenset({Property.INVERTIBLE}),
    inputs=CASES,
)
def memory_inverse(factory: Factory, case: OperatorCase) -> None:
    """B is the inverse of H."""
    held = Held(factory(), case)
    v = tensor(case.v[None])
    atol = held.allowed(INVERSE) * norm(case.v)
    for name, back in (("H B v", held(held.inverse(v))), ("B H v", held.inverse(held(v)))):
        close(array(back)[0], case.v, atol, name)


@law(
    name="dense-equals-all-pairs",
    number=5,
    statement="H = the dense BFGS matrix of every pair since the reset, for an H0 which changes afterwards",
    source="Nocedal & Wright 2006, (6.17)",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("dense_forgets_older_pairs", "evicts_newest"),
    needs=frozenset({Property.DENSE}),
    inputs=operator_cases(min_size=2, min_pairs=1, cosines=(1.0, 0.7, 0.3), dtypes=("float64",)),
)
def dense_equals_all_pairs(factory: Factory, case: OperatorCase) -> None:
    """No pair is evicted and H0 is free."""
    held = Held(factory(), case)
    for h0 in (case.h0, np.exp(case.u)):
        held.h0 = tensor(h0)
        expected = dense_bfgs.direction(case.S, case.Y, h0, case.v)
        close(held.H() @ case.v, expected, held.allowed(DENSE) * norm(case.v), "H v")


@law(
    name="soft-secant",
    number=1,
    statement="(s'y + tau) H+ y = tau V H y + (s'y) s with tau = softness s's, V = I - s y' / (s'y + tau)",
    source="after S-BFGS, Carlon, Espath & Tempone 2025",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("secant_is_hard",),
    needs=frozenset({Property.SOFT}),
    inputs=operator_cases(min_size=2, min_pairs=1, cosines=(1.0, 0.7, 0.3), dtypes=("float64",)),
)
def soft_secant(factory: Factory, case: OperatorCase) -> None:
    """The secant equation gives way by tau."""
    part = factory()
    kept = case.last(part.capacity)
    held = Held(part, kept.last(kept.m - 1))
    s, y, before = kept.S[-1], kept.Y[-1], held.H()
    tau, s_y = part.softness * float(s @ s), float(s @ y)
    holds(bool(held.admit(s, y).admitted), f"the pair with s'y = {s_y} was refused")
    Hy = before @ y
    expected = (tau * (Hy - s * float(y @ Hy) / (s_y + tau)) + s_y * s) / (s_y + tau)
    close(array(held(tensor(y[None])))[0], expected, held.allowed(OPERATOR) * norm(y), "H+ y")


@law(
    name="shifted-matrix",
    number=5,
    statement="H^-1 = B + delta I, B the BFGS matrix of the last pairs",
    source="L-RES of minSQN",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("shift_forgotten",),
    needs=frozenset({Property.SHIFTED}),
    inputs=CASES,
)
def shifted_matrix(factory: Factory, case: OperatorCase) -> None:
    """Woodbury's formula against a dense inverse."""
    held = Held(factory(), case)
    pairs = case.last(held.part.capacity) if case.m <= held.part.capacity else case
    S, Y = pairs.S[-held.part.capacity :], pairs.Y[-held.part.capacity :]
    H = np.stack([dense_bfgs.direction(S, Y, case.h0, e) for e in np.eye(case.n)], axis=1)
    expected = np.linalg.solve(np.eye(case.n) + held.part.delta * H, H)
    atol = held.allowed(INVERSE) * held.conditioning.magnitude  # (B + E)^-1 - H = -H E H
    close(held.H(), expected, atol, "(B + delta I)^-1")


@law(
    name="regularised-dense",
    number=5,
    statement="H^-1 = B, B <- B - B s s'B / s'Bs + y y' / s'y + delta I from B0 = H0^-1, in plain float64",
    source="RES, Mokhtari & Ribeiro, IEEE Trans. Signal Processing 62 (2014), as minSQN does",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("delta_forgotten", "delta_added_once", "delta_added_to_h"),
    needs=frozenset({Property.REGULARISED_DENSE}),
    inputs=CASES,
)
def regularised_dense(factory: Factory, case: OperatorCase) -> None:
    """One delta I for every pair."""
    held, B = Held(factory(), case), np.diag(1 / case.h0)
    for s, y in zip(case.S, case.Y, strict=True):
        Bs = B @ s
        B = B - np.outer(Bs, Bs) / (s @ Bs) + np.outer(y, y) / (s @ y) + held.part.delta * np.eye(case.n)
    atol = held.allowed(INVERSE) * held.conditioning.magnitude  # (B + E)^-1 - H = -H E H
    close(held.H(), np.linalg.inv(B), atol, "H against B^-1")


@law(
    name="aggregation",
    number=6,
    statement="a pair (2s, y') after (s, y) leaves the H of all pairs, and a slot for an older one",
    source="Berahas, Curtis & Zhou: a displacement parallel to its successor's carries no information.",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("never_aggregates", "aggregates_everything"),
    needs=frozenset({Property.AGGREGATED}),
    inputs=operator_cases(min_size=2, min_pairs=1, cosines=(1.0, 0.7), dtypes=("float64",)),
)
def aggregation(factory: Factory, case: OperatorCase) -> None:
    """Nothing is lost by replacing a parallel displacement's pair."""
    part = factory()
    n = max(case.n, part.capacity + 1)
    S = np.eye(n)[: part.capacity] + 0.1 * case.seed % 3 * np.eye(n)[0]  # far from parallel
    S = np.concatenate([S, 2 * S[-1:]])
    Y = S * np.linspace(0.5, 2.0, n)
    held = Held(part, OperatorCase(n, (), (), case.spread, case.seed, "float64"))
    for s, y in zip(S, Y, strict=True):
        holds(bool(held.admit(s, y).admitted), "an admissible pair was refused")
    h0 = array(held.h0)
    v = np.ones(n)
    expected = dense_bfgs.direction(S, Y, h0, v)
    close(held.H() @ v, expected, held.allowed(DENSE) * norm(v), "H v with one pair more than there are slots")


@law(
    name="blocks-alone",
    number=14,
    statement="H = diag(H_1, H_2), each block's matrix from its part of the pairs alone; newest() sums over the blocks",
    source="A block-diagonal memory is as many memories as there are blocks; a repair inside may ask for B.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("blocks_ignored",),
    needs=frozenset({Property.BLOCKS}),
    inputs=operator_cases(min_size=3, min_pairs=1, dtypes=("float64",), cosines=(0.7, 0.3)),
)
def blocks_alone(factory: Factory, case: OperatorCase) -> None:
    """The blocks know nothing of one another."""
    cut = case.n // 2
    part = factory()
    whole = Held(part, case, shapes=((cut,), (case.n - cut,)))
    H, atol = np.zeros((2, case.n, case.n))
    blocks: list[list[float]] = []
    for block in (slice(0, cut), slice(cut, case.n)):
        size = block.stop - block.start
        alone = Held(part.of, OperatorCase(size, (), (), 0, 0, "float64"))
        alone.h0 = tensor(case.h0[block])
        for s, y in zip(case.S, case.Y, strict=True):
            alone.admit(s[block], y[block])
        H[block, block], atol[block, block] = alone.H(), alone.allowed(INVERSE)
        blocks.append([float(x) for x in alone.state.newest()])
    close(whole.H(), H, atol, "H against the blocks' own matrices")
    held = [products for *products, exists in blocks if exists]
    *got, some = (float(x) for x in whole.state.newest())
    expected = np.sum(held, axis=0) if held else np.ones(3)
    close(
        np.array(got), expected, LINEAR(n=case.n) * np.abs(expected).max(), "newest s'y, s's, y'y, summed over blocks"
    )
    holds(bool(some) == bool(held), f"newest() says exists={bool(some)}, {len(held)} blocks hold a pair")


LAWS = (
    damped_b,
    damped_h,
    damped_ss,
    damped_scaled,
    tau_damped,
    regularised_pair,
    memory_inverse,
    dense_equals_all_pairs,
    soft_secant,
    shifted_matrix,
    regularised_dense,
    aggregation,
    blocks_alone,
)
