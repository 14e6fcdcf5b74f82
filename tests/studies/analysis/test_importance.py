"""Variance shares of functions whose shares are known."""

from itertools import product

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from studies.analysis.importance import fanova, total_shares, variance_shares
from studies.errors import InputError

SIGN = {"low": -1.0, "high": 1.0}


def factorial(a: float, b: float, ab: float, seed: float) -> dict[tuple[str, ...], list[float]]:
    """f = sum of orthogonal terms of +-1 with these variances; two levels a factor, two seeds."""
    return {
        (x, y): [
            a**0.5 * SIGN[x] + b**0.5 * SIGN[y] + ab**0.5 * SIGN[x] * SIGN[y] + seed**0.5 * s + 3.0 for s in (-1, 1)
        ]
        for x, y in product(SIGN, SIGN)
    }


def test_gives_the_known_shares() -> None:
    shares = variance_shares(factorial(0.5, 0.2, 0.2, 0.1), ["A", "B"])
    assert shares[("A",)] == pytest.approx(0.5)
    assert shares[("B",)] == pytest.approx(0.2)
    assert shares[("A", "B")] == pytest.approx(0.2)
    assert shares[("seed",)] == pytest.approx(0.1)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert all(shares[subset] == pytest.approx(0.0, abs=1e-12) for subset in shares if "seed" in subset[1:])
    totals = total_shares(shares, ["A", "B"])
    assert totals == pytest.approx({"A": 0.7, "B": 0.4})


def test_shares_of_any_table_add_up_and_do_not_depend_on_names_or_units() -> None:
    draw = np.random.default_rng(5)
    levels = [["a", "b", "c"], ["d", "e"], ["f", "g", "h", "i"]]
    losses = {key: draw.normal(size=3).tolist() for key in product(*levels)}
    shares = variance_shares(losses, ["P", "Q", "R"])
    assert len(shares) == 2**4 - 1
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares.values()) >= 0.0
    scaled = variance_shares({key: [7 * x - 2 for x in found] for key, found in losses.items()}, ["P", "Q", "R"])
    assert scaled == pytest.approx(shares)
    turned = variance_shares({(r, p, q): found for (p, q, r), found in losses.items()}, ["R", "P", "Q"])
    assert {tuple(sorted(k)): v for k, v in turned.items()} == pytest.approx(
        {tuple(sorted(k)): v for k, v in shares.items()}
    )


def test_a_factor_without_effect_has_no_share() -> None:
    losses = {(x, y): [SIGN[x], 2 * SIGN[x]] for x, y in product(SIGN, SIGN)}
    shares = variance_shares(losses, ["A", "B"])
    assert total_shares(shares, ["A", "B"])["B"] == pytest.approx(0.0, abs=1e-12)
    assert set(variance_shares({("x",): [1.0], ("y",): [1.0]}, ["A"]).values()) == {0.0}


def test_refuses_a_design_with_a_hole() -> None:
    losses = factorial(1.0, 1.0, 1.0, 1.0)
    del losses[("low", "high")]
    with pytest.raises(InputError, match="low high has no run"):
        variance_shares(losses, ["A", "B"])
    uneven = {**factorial(1.0, 1.0, 1.0, 1.0), ("low", "high"): [1.0]}
    with pytest.raises(InputError, match="differ in number"):
        variance_shares(uneven, ["A", "B"])
    diverged = {**factorial(1.0, 1.0, 1.0, 1.0), ("low", "high"): [1.0, float("inf")]}
    with pytest.raises(InputError, match="diverged"):
        variance_shares(diverged, ["A", "B"])


def test_fanova_ranks_evenly_drawn_points_rightly() -> None:
    """Why it is used at all: the order is right on points drawn evenly, though the shares are estimates."""
    draw = np.random.default_rng(2)
    space = {"A": CategoricalDistribution(["low", "high"]), "lr": FloatDistribution(0.0, 1.0)}
    points = []
    for _ in range(60):
        params: dict[str, float | str] = {"A": str(draw.choice(["low", "high"])), "lr": float(draw.random())}
        points.append((params, 2 * SIGN[str(params["A"])] + float(params["lr"])))
    points.append(({"A": "low", "lr": 0.5}, float("inf")))
    found = fanova(points, space)
    assert found["A"] > 3 * found["lr"] > 0
