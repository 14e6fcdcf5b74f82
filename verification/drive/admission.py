"""Which pairs does a method take? Laws about somebody's own steps, not about the operator alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from verification.adapters.driving import Drive, Driven, Gradient
from verification.blends import is_blend
from verification.compare import close, holds
from verification.drive.mutants_of_events import SIGNS
from verification.drive.terrains import Terrain, before_far_away, terrains
from verification.law import Group, Law, Subject, law
from verification.strategies import Array
from verification.tolerances import TOLERANCES

LINEAR = TOLERANCES["linear"]


@dataclass(frozen=True)
class LossCase:
    """f(w) = 2^exponent w'Aw / 2 with A diagonal, its entries from 1/2 to 3/4: nothing is better conditioned.

    ``sign`` -1 turns f upside down. From 2 dimensions on no first step along the gradient hits the minimiser.
    """

    n: int
    exponent: int
    seed: int
    sign: int = 1
    steps: int = 2

    @property
    def start(self) -> Array:
        """The first point (n,), entries of size 1/2 to 1."""
        rng = np.random.default_rng(self.seed)
        w: Array = rng.uniform(0.5, 1.0, self.n) * rng.choice([-1.0, 1.0], self.n)
        return w

    @property
    def gradient(self) -> Gradient:
        """The gradient of f."""
        diagonal = self.sign * 2.0**self.exponent * np.linspace(0.5, 0.75, self.n)
        return lambda w: diagonal * w


def loss_cases(*exponents: int, sign: int = 1) -> st.SearchStrategy[LossCase]:
    """Cases of these scales in up to 6 dimensions."""
    seeds = st.integers(0, 2**16)
    return st.builds(LossCase, st.integers(2, 6), st.sampled_from(exponents), seeds, st.just(sign))


def _takes_its_pair(drive: Drive, case: LossCase) -> None:
    """One step, one pair, and it is the displacement and the change of the gradient, one of them damped if need be.

    Powell's damping adds a multiple of Bs to y, or one of Hy to s; before the first pair B and H are multiples of I.
    """
    driven = drive(case.gradient, case.start, 1)
    holds(len(driven.S) >= 1, f"pairs held after a step: got {len(driven.S)}, expected 1; s'y > 0 and cos > 0.97")
    before, after = driven.points
    s, y = after - before, case.gradient(after) - case.gradient(before)
    if is_blend(driven.Y[0], y, [s]):
        close(driven.S[0], s, LINEAR(n=case.n) * (np.abs(before) + np.abs(after)), "s against the displacement")
        return
    atol = 2 * LINEAR(n=case.n) * (np.abs(case.gradient(before)) + np.abs(case.gradient(after)))
    close(driven.Y[0], y, atol, "y against the change of the gradient")
    holds(is_blend(driven.S[0], s, [y]), f"s = {driven.S[0].tolist()}, expected the displacement {s.tolist()}")


def _scale_law(name: str, statement: str, source: str, mutant: str, exponents: tuple[int, ...]) -> Law:
    return law(
        name=name,
        statement=statement,
        source=source,
        group=Group.INVARIANCE,
        subject=Subject.DRIVE,
        tolerance="linear",
        kills=(mutant, "start_overwritten"),
        inputs=loss_cases(*exponents),
    )(_takes_its_pair)


small_loss = _scale_law(
    "small-loss",
    "f -> 2^-k f: a step on a well-conditioned convex quadratic still makes a pair",
    "The cosine of a pair does not depend on the units of f; a bound on s'y itself does. A cautious test "
    "s'y > eps s's (Li & Fukushima 2001) has units too; it is right with an eps below any curvature there is: 2^-30.",
    "absolute_threshold",
    (0, -10, -20, -30),
)
large_loss = _scale_law(
    "large-loss",
    "f -> 2^k f: a step on a well-conditioned convex quadratic still makes a pair",
    "As small-loss; a bound on y'y / s'y is in units of f as well, and right above any curvature there is: 2^30.",
    "bounded_curvature",
    (0, 10, 20, 30),
)


def products(driven: Driven) -> Array:
    """s'y of each pair held, (m,)."""
    result: Array = np.einsum("ij,ij->i", driven.S, driven.Y)
    return result


@law(
    name="negative-curvature",
    statement="on a concave quadratic, a saddle, between ridges, on flat ground: every pair held has s'y > 0",
    source="H is positive definite iff all s'y > 0 and H0 is; Nocedal & Wright 2006, section 6.1.",
    group=Group.MATHEMATICS,
    subject=Subject.DRIVE,
    kills=("takes_every_pair", "nan_passes_the_test", *SIGNS),
    share=3.0,
    inputs=st.one_of(loss_cases(-4, 0, 4, sign=-1), terrains()),
)
def negative_curvature(drive: Drive, case: LossCase | Terrain) -> None:
    """What curves downwards must not enter, or -Hg is no descent direction."""
    driven = drive(case.gradient, case.start, case.steps)
    s_y = products(driven)
    if not np.isfinite(s_y).all():  # once more, without what overflowed far away
        near = len(before_far_away(driven.points)) - 1
        s_y = products(drive(case.gradient, case.start, near)) if near else np.ones(0)
    holds(bool((s_y > 0).all()), f"s'y of the pairs held: got {s_y.tolist()}, expected positive ones only")


LAWS = (small_loss, large_loss, negative_curvature)
