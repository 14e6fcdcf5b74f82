"""Pair generators with displacements of their own, and Gauss-Newton products: y = A s on a quadratic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from adaqn_lab import Displacement, Pair
from adaqn_lab import state as part_state
from adaqn_lab.oracle import Oracle
from verification.benches import PairBench
from verification.compare import close, holds, same
from verification.law import Group, Property, Subject, law
from verification.parts import array, tensor
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
STEPS = contract_cases(min_items=2)


def _make(bench: PairBench, w_bar: Array, w_ref: Array) -> tuple[Pair, Array, Array]:
    """The generator's pairs for one displacement, (R, q, n), as they are and in float64."""
    new, old = bench.give("w_bar", w_bar), bench.give("w_ref", w_ref)
    move = Displacement(new - old, new, old, bench.space.mask(True))
    pair = bench.own(bench.part.pair_(bench.state, move, bench.oracle), move.s)
    return pair, array(pair.s).astype(np.float64), array(pair.y).astype(np.float64)


def _times(A: Array, s: Array) -> Array:
    """A s of each run, (R, n, n), (R, q, n), in float64."""
    return np.asarray(np.einsum("rij,rqj->rqi", A.astype(np.float64), s))


def _norms(x: Array) -> Array:
    """|x| of each run, broadcast over (R, q, n)."""
    return np.asarray(np.linalg.norm(x.astype(np.float64).reshape(len(x), -1), axis=1)[:, None, None])


def _bound(case: ContractCase, steps: int = 1) -> float:
    return TOLERANCES["products"](case.dtype, m=steps, n=case.n)


@law(
    name="gauss-newton-product",
    number=11,
    statement="y = J'BJ s with J = J_0 + diag(w_bar) and s'y >= 0, on z'Bz / 2 with z = J_0 w + w w / 2",
    source="Schraudolph 2002: the Hessian without the outputs' own curvature diag(B z).",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("hessian_for_gauss_newton", "gauss_newton_at_reference"),
    needs=frozenset({Property.GAUSS_NEWTON}),
    inputs=contract_cases(),
)
def gauss_newton_product(factory: Factory, case: ContractCase) -> None:
    """Outputs which are not linear make the difference."""
    bench = PairBench(factory(), case)
    w, B, J0 = bench.flat.parameters[0], bench.A, tensor(case.jacobians)

    def curvature() -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.einsum("rij,rj->ri", J0, w) + w * w / 2
        return torch.einsum("ri,rij,rj->r", z, B, z) / 2, z

    bench.oracle = Oracle(bench.flat, curvature=curvature, maximize=False)
    _, s, y = _make(bench, case.partners, case.partners - case.v)
    J = case.jacobians.astype(np.float64) + np.einsum("ri,ij->rij", case.partners.astype(np.float64), np.eye(case.n))
    atol = _bound(case) * _norms(J) ** 2 * _norms(case.hessians) * _norms(s)
    close(y, _times(J.transpose(0, 2, 1), _times(case.hessians, _times(J, s))), atol, "y against J'BJ s")
    holds(bool(((s * y).sum(2) >= -(atol * _norms(s))[:, 0]).all()), f"s'y: got {(s * y).sum(2)}, at least 0 expected")


@law(
    name="hessian-difference",
    number=11,
    statement="y = (A + diag(w_bar)) s on w'Aw / 2 + sum w^3 / 6, and y = 0 for s = 0",
    source="A central difference of gradients is exact for polynomials of degree three.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("one_sided_difference", "difference_at_reference", "divides_by_the_radius", "divides_by_no_length"),
    needs=frozenset({Property.HESSIAN_DIFFERENCE}),
    inputs=contract_cases(),
)
def hessian_difference(factory: Factory, case: ContractCase) -> None:
    """A third derivative makes the difference between one side and two."""
    bench = PairBench(factory(), case)
    w, A = bench.flat.parameters[0], bench.A

    def curvature() -> torch.Tensor:
        return torch.einsum("ri,rij,rj->r", w, A, w) / 2 + (w**3).sum(1) / 6

    bench.oracle = Oracle(bench.flat, curvature=curvature, maximize=False)
    w_bar, radius = case.partners, bench.part.radius
    _, s, y = _make(bench, w_bar, w_bar - case.v)
    expected = _times(case.hessians, s) + w_bar[:, None] * s
    # The gradients err by u times their size, which the division by 2 t = 2 radius / |s| magnifies.
    reach = _norms(w_bar) + radius
    size = (_norms(case.hessians) + reach) * reach * _norms(s) / radius
    close(y, expected, _bound(case) * size, "y against the Hessian at w_bar times s")
    _, _, nothing = _make(bench, w_bar, w_bar)
    same(nothing, np.zeros_like(nothing), "y for s = 0")


@law(
    name="sampled-hessian",
    number=11,
    statement="y_i = A s_i for `count` pairs, which renew the memory",
    source="S-LBFGS, Berahas, Jahani, Richtarik & Takac",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("samples_share_y", "samples_stay"),
    needs=frozenset({Property.SAMPLED}),
    inputs=contract_cases(),
)
def sampled_hessian(factory: Factory, case: ContractCase) -> None:
    """Every sample is a product with the Hessian."""
    bench = PairBench(factory(), case)
    pair, s, y = _make(bench, case.v, case.partners)
    holds(pair.renews, "the memory keeps its older pairs; renews=True expected")
    holds(s.shape[1] == bench.part.count, f"{s.shape[1]} pairs, expected {bench.part.count}")
    close(y, _times(case.hessians, s), _bound(case) * _norms(case.hessians) * _norms(s), "y against A s")


class _Echo:
    """An oracle whose Hessian is I."""

    def hessian_vector(self, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return v.clone()


@law(
    name="sampled-noise",
    number=14,
    statement="sum |s_i|^2 / radius^2 ~ chi^2_{count n}; one noise for all runs, another a window, resumed bit for bit",
    source="s_i ~ radius N(0, I); Laurent & Massart 2000 for the tails. Runs together equal runs alone.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="noise",
    kills=("noise_repeats", "noise_of_its_own_for_each_run", "noise_on_part", "noise_on_sphere"),
    needs=frozenset({Property.SAMPLED}),
    inputs=contract_cases(),
)
def sampled_noise(factory: Factory, case: ContractCase) -> None:
    """The stream of noise is the state's, and has the size it should have."""
    part = replace(factory(), count=200)
    straight, resumed = PairBench(part, case), PairBench(replace(part), case)
    straight.oracle = resumed.oracle = _Echo()  # type: ignore[assignment]
    first, s, _ = _make(straight, case.v, case.partners)
    degrees, size = part.count * case.n, float((s[0] ** 2).sum()) / part.radius**2
    allowed = TOLERANCES["noise"](n=degrees)
    holds(abs(size - degrees) <= allowed, f"|s / radius|^2: got {size:.6g}, {degrees} +- {allowed:.3g} expected")
    saved = {name: x.clone() for name, x in part_state.flatten({"state": straight.state}).items()}
    part_state.load_({"state": resumed.state}, saved)
    second, after = (_make(bench, case.v, case.partners)[0] for bench in (straight, resumed))
    holds(not torch.equal(first.s, second.s), "the second window drew the noise of the first")
    same(after.s, second.s, "the noise of the second window, resumed, against the stream that went on")
    for pair in (first, second):
        same(pair.s, pair.s[:1].expand_as(pair.s), "the noise of every run against that of the first")


@law(
    name="averaged-difference",
    number=11,
    statement="s = W_k - W_old, W <- decay W + (1 - decay) w from W_1 = w_1, W_old as the window opened; y = A s",
    source="mL-BFGS, Niu et al. 2023: the average of a quadratic's gradients is the gradient at the average.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("gradient_is_not_averaged", "average_starts_at_zero", "window_opens_late"),
    needs=frozenset({Property.AVERAGED}),
    inputs=STEPS,
)
def averaged_difference(factory: Factory, case: ContractCase) -> None:
    """Averages commute with the Hessian."""
    bench = PairBench(factory(), case)
    decay, every = bench.part.decay, bench.part.every
    steps, points = 2 * every + 2, case.points.astype(np.float64)
    W, old = np.zeros((2, case.runs, case.n))
    started, known = np.zeros((2, case.runs, 1), bool)
    for k in range(steps):
        w, where = points[:, k % case.items], case.masks[k % case.items]
        bench.observe(case.points[:, k % case.items], _times(case.hessians, w[:, None])[:, 0].astype(case.dtype), where)
        if k % every == 0:
            old, known = W, started
        W = np.where(where[:, None], np.where(started, decay * W + (1 - decay) * w, w), W)
        started = started | where[:, None]
        _, s, y = _make(bench, case.v, case.partners)
        atol = _bound(case, steps) * 2 * _norms(points)
        close(s[:, 0], np.where(known & started, W - old, 0.0), atol[:, 0], f"s after step {k + 1}")
        close(y, _times(case.hessians, s), atol * (1 + _norms(case.hessians)), f"y against A s after step {k + 1}")


@law(
    name="look-ahead-difference",
    number=11,
    statement="s = w_{k+1} - (w_k + mu v_k), y = A s + shift s, the parameters being at w_k + mu v_k",
    source="NAQ, Ninomiya 2017; a step which was skipped leaves w and v.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("pairs_look_ahead_points", "look_ahead_shift_has_wrong_sign"),
    needs=frozenset({Property.LOOK_AHEAD}),
    inputs=STEPS,
)
def look_ahead_difference(factory: Factory, case: ContractCase) -> None:
    """The iterate is found from the look-ahead points alone."""
    bench = PairBench(factory(), case)
    mu, shift = bench.part.momentum, bench.part.shift
    points = case.points.astype(np.float64)
    w, v = case.v.astype(np.float64), np.zeros((case.runs, case.n))
    size = 2 * (_norms(case.v) + _norms(points) * case.items)  # |w| and |v| of every step
    for k in range(case.items):
        theta, where = w + mu * v, case.masks[k]
        bench.observe(theta.astype(case.dtype), case.rows[:, k], where)
        v = np.where(where[:, None], points[:, k], v)
        w = np.where(where[:, None], w + v, w)
        _, s, y = _make(bench, (w + mu * v).astype(case.dtype), theta.astype(case.dtype))
        atol = _bound(case, case.items) * size
        close(s[:, 0], w - theta, atol[:, 0], f"s of step {k + 1}")
        expected = _times(case.hessians, s) + shift * s
        close(y, expected, atol * (abs(shift) + _norms(case.hessians)), f"y of step {k + 1} against A s + shift s")


LAWS = (
    gauss_newton_product,
    hessian_difference,
    sampled_hessian,
    sampled_noise,
    averaged_difference,
    look_ahead_difference,
)
