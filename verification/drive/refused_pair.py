"""What a method does after a pair that it did not take."""

from __future__ import annotations

import numpy as np

from verification.adapters.driving import Drive, Driven, Gradient
from verification.compare import holds
from verification.drive.admission import LossCase, loss_cases
from verification.law import Group, Subject, law
from verification.references import two_loop
from verification.strategies import Array

STEPS = 3


@law(
    name="refused-pair",
    statement="on a concave quadratic, where the first pairs are refused: the next points are finite numbers",
    source="H0 = s'y / y'y needs a pair that is held: GradientTransformation 1.0.0 divides 0 by 0 without one.",
    group=Group.CONTRACT,
    subject=Subject.DRIVE,
    kills=("divides_by_an_empty_slot", "stores_the_failed_search"),
    inputs=loss_cases(-4, 0, 4, sign=-1),
)
def refused_pair(drive: Drive, case: LossCase) -> None:
    """Without a pair there is H0 still, and a step to make with it."""
    points = drive(case.gradient, case.start, STEPS).points
    finite = np.isfinite(points).all(axis=1)
    holds(bool(finite.all()), f"points that are finite: got {finite.tolist()}, expected all of them")


def _drive(gradient: Gradient, start: Array, steps: int, slot: bool) -> Driven:
    """L-BFGS with one slot and step length 1/2; ``slot``: an empty slot is read, else a refused y is stored as 0."""
    s = y = np.zeros_like(start)
    points = [start]
    for k in range(steps):
        w, g = points[-1], gradient(points[-1])
        held = int(bool(y.any() or s.any()))
        with np.errstate(invalid="ignore", divide="ignore"):
            gamma = s @ y / (y @ y) if k and (slot or held) else 1.0
            d = two_loop.direction(s[None][:held], y[None][:held], np.full_like(w, gamma), g)
        points.append(w - d / 2)
        s_new, y_new = points[-1] - w, gradient(points[-1]) - g
        if s_new @ y_new > 0:
            s, y = s_new, y_new
        elif not slot:
            s, y = s_new, np.zeros_like(w)
    held = int(bool(y.any() or s.any()))
    return Driven(np.array(points), s[None][:held], y[None][:held])


def divides_by_an_empty_slot(gradient: Gradient, start: Array, steps: int) -> Driven:
    """GradientTransformation 1.0.0: from the second step on H0 = s'y / y'y of the last slot, filled or not."""
    return _drive(gradient, start, steps, slot=True)


def stores_the_failed_search(gradient: Gradient, start: Array, steps: int) -> Driven:
    """jax.scipy 0.10.2: a step that failed is stored with the gradient from before it, so that y = 0."""
    return _drive(gradient, start, steps, slot=False)


MUTANTS = {Subject.DRIVE: {f.__name__: (lambda f=f: f) for f in (divides_by_an_empty_slot, stores_the_failed_search)}}
LAWS = (refused_pair,)
