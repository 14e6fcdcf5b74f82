"""Planted truths: the audit must say which factor y lacks, at which angle, with an interval that holds it."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import adaqn_lab as lab
from tests.verification.curvature.planted import GENERATOR, SIZE, Network, Planted, Quadratic, matrix, recipe
from verification import audit
from verification.curvature.audit_summary import summarise
from verification.curvature.window_row import WindowRow


@pytest.mark.parametrize("factor", [37.0, 10.0, 1 / 50, 1.0])
def test_a_planted_factor_is_found(factor):
    training = Quadratic(Planted(matrix(), factor))
    found = audit(training.optimizer, training.loss)
    training.train(41)
    whole = found.summary().whole
    assert len(found.rows) == 19  # windows of 2 steps, the first makes no pair
    assert [row.step for row in found.rows] == list(range(4, 42, 2))
    for estimate in (whole.scale, whole.along):
        assert estimate.value == pytest.approx(factor, rel=1e-5)
        assert estimate.low <= estimate.value <= estimate.high < 1.001 * factor
    assert whole.angle.value < 0.1
    told = {37.0: "37 times too small", 10.0: "10 times too small", 1 / 50: "50 times too large", 1.0: "right"}
    assert f"along s y is {told[factor]} against the Hessian" in found.summary().sentence


@pytest.mark.parametrize("seed", range(5))
def test_a_factor_that_varies_lies_in_the_interval(seed):
    training = Quadratic(Planted(matrix(), 37.0, spread=0.5))
    GENERATOR.manual_seed(seed)
    found = audit(training.optimizer, training.loss)
    training.train(81)
    scale = found.summary().whole.scale
    assert scale.geometric
    assert scale.low < 37 < scale.high
    assert scale.high / scale.low < 2


@pytest.mark.parametrize("lean", [0.5, 1.0, 2.0])
def test_a_planted_angle_is_found(lean):
    training = Quadratic(Planted(matrix(), 10.0, lean))
    found = audit(training.optimizer, training.loss)
    training.train(41)
    for row in found.rows:
        assert row.angle == pytest.approx(math.degrees(math.atan(lean)), abs=0.01)
        assert row.scale == pytest.approx(10 * math.cos(math.atan(lean)) ** 2, rel=1e-4)


def test_pairs_by_hessian_products_are_right():
    training = Quadratic(lab.HessianVector(), curvature=lambda: training.loss())
    found = audit(training.optimizer, training.loss)
    training.train(21)
    for row in found.rows:
        assert row.scale == row.along == 1.0
        assert row.angle < 0.05
    summary = found.summary()
    assert (summary.admitted, summary.downhill) == (9, 9)
    assert summary.asymmetry < 1e-6
    assert summary.definiteness > 0
    assert "y is right against the Hessian" in summary.sentence


def test_pairs_by_gauss_newton_products_are_right_on_a_network():
    torch.manual_seed(0)
    x = torch.randn(50, SIZE)
    w = torch.nn.Parameter(torch.randn(SIZE, 3) / 10)

    def curvature():
        outputs = torch.tanh(x @ w)
        return torch.nn.functional.cross_entropy(outputs, torch.arange(50) % 3), outputs

    optimizer = lab.QuasiNewton([w], recipe(lab.GaussNewton()), lr=0.1, curvature=curvature)
    for matrix_ in ("gauss-newton", "fisher", None):
        found = audit(optimizer, curvature, matrix=matrix_)
        for _ in range(8):
            (w.grad,) = torch.autograd.grad(curvature()[0], w)
            optimizer.step()
        found.close()
        assert len(found.rows) in (3, 4)
        assert all(row.scale == 1.0 and row.angle < 0.05 for row in found.rows)
        assert ("Fisher" in found.summary().matrix) == (matrix_ == "fisher")


def test_maximising_turns_b_round():
    training = Quadratic(Planted(-matrix(), -5.0), maximize=True)
    found = audit(training.optimizer, lambda: -training.loss())
    for _ in range(10):
        (gradient,) = torch.autograd.grad(training.loss().sum(), training.w)
        training.w.grad = -gradient
        training.optimizer.step()
    assert found.summary().whole.scale.value == pytest.approx(5.0, rel=1e-5)
    assert found.summary().downhill == len(found.rows)


def test_runs_side_by_side_are_rows_of_their_own():
    training = Quadratic(Planted(matrix(), 7.0), runs=3)
    found = audit(training.optimizer, training.loss)
    training.train(21)
    assert {row.run for row in found.rows} == {0, 1, 2}
    assert len(found.rows) == 27
    summary = found.summary()
    assert summary.runs == 3
    assert summary.whole.scale.value == pytest.approx(7.0, rel=1e-5)
    alone = Quadratic(Planted(matrix(), 7.0), runs=3).train(21)
    assert torch.equal(alone.w, training.w)


def test_noise_of_the_curvature_batch_does_not_enter_the_angle():
    """B s with noise of its own size on each call: the angle to B s itself is 0, the naive one 45 degrees."""
    training = Quadratic(Planted(matrix()))
    noise = torch.Generator().manual_seed(5)

    def noisy():
        kick = torch.randn(SIZE, SIZE, generator=noise)
        w = training.w
        return training.loss() + 0.3 * (w @ (kick + kick.T) @ w) / 2

    found = audit(training.optimizer, noisy)
    training.train(401)
    cosines = [row.y_bs / math.sqrt(row.y_y) for row in found.rows]
    expected = sum(cosines) / math.sqrt(sum(row.y_y for row in found.rows))
    assert expected > 0
    pooled = np.sum([row.y_bs for row in found.rows]) / math.sqrt(
        np.sum([row.y_y for row in found.rows]) * np.sum([row.bs_bs for row in found.rows])
    )
    assert pooled == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_torch_lbfgs_is_right_on_a_quadratic(line_search):
    w = torch.nn.Parameter(torch.randn(SIZE, dtype=torch.float64))
    B = matrix().double()
    optimizer = torch.optim.LBFGS([w], lr=0.5, max_iter=1, line_search_fn=line_search)

    def loss():
        return w @ B @ w / 2

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    found = audit(optimizer, loss, every=2)
    for _ in range(8):
        optimizer.step(closure)
    assert [row.window for row in found.rows] == [1, 3, 5, 7][: len(found.rows)]
    assert len(found.rows) >= 2
    for row in found.rows:
        assert row.scale == pytest.approx(1.0, rel=1e-6)
        assert row.descent > 0
        assert row.asymmetry < 1e-12


def test_b_of_torch_lbfgs_is_taken_where_s_ended():
    """f = w^4 / 12: B = w^2, and y = (w1^3 - w0^3) / 3, so that y / s = (w1^2 + w1 w0 + w0^2) / 3."""
    w = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = torch.optim.LBFGS([w], lr=0.1, max_iter=1)
    points = []

    def closure():
        optimizer.zero_grad()
        value = w.pow(4).sum() / 12
        value.backward()
        points.append(float(w.detach()))
        return value

    found = audit(optimizer, lambda: w.pow(4).sum() / 12)
    for _ in range(4):
        optimizer.step(closure)
    for row, (w0, w1) in zip(found.rows, pairwise(points), strict=False):
        assert row.along == pytest.approx(w1**2 / ((w1**2 + w1 * w0 + w0**2) / 3), rel=1e-6)


def test_chosen_windows():
    training = Quadratic(Planted(matrix()))
    every, some = audit(training.optimizer, training.loss, every=4), audit(
        training.optimizer, training.loss, every=lambda window: window in (2, 3)
    )  # fmt: skip
    training.train(25)
    assert [row.window for row in every.rows] == [1, 5, 9]
    assert [row.window for row in some.rows] == [2, 3]
    assert every.windows == some.windows == 11


def test_it_looks_until_it_is_closed():
    training = Quadratic(Planted(matrix()))
    with audit(training.optimizer, training.loss) as found:
        training.train(6)
    training.train(6)
    assert len(found.rows) == 2


def test_refused_pairs_are_looked_at_too():
    training = Quadratic(Planted(-matrix(), 3.0))
    found = audit(training.optimizer, training.loss)
    training.train(20)
    summary = found.summary()
    assert summary.admitted == 0
    assert summary.whole.scale.value == pytest.approx(-3.0, rel=1e-5)
    assert "of the wrong sign (-3 times)" in summary.sentence
    assert "refused" in found.table()


def test_what_it_tells(tmp_path):
    training = Quadratic(Planted(matrix(), 5.0))
    found = audit(training.optimizer, training.loss, name="Planted")
    training.train(41)
    text = found.table()
    assert text == str(found)
    assert text.splitlines()[0] == "Planted against the Hessian: 19 window(s) of 1 run(s)"
    assert sum(" admitted " in line for line in text.splitlines()) == 19
    assert text.splitlines()[-1] == found.summary().sentence
    assert [part.name for part in found.summary().thirds] == ["early", "middle", "late"]
    assert len(found.table(windows=False).splitlines()) == 8
    found.json(tmp_path / "a.json")
    told = json.loads((tmp_path / "a.json").read_text())
    assert len(told["rows"]) == 19
    assert told["rows"][0]["scale"] == pytest.approx(5.0, rel=1e-5)
    assert told["summary"]["whole"]["scale"]["value"] == pytest.approx(5.0, rel=1e-5)
    found.plot(tmp_path / "a.svg")
    assert 5_000 < (tmp_path / "a.svg").stat().st_size < 100_000
    found.plot(tmp_path / "a.png")


def rows(scales, run=0):
    made = {"admitted": True, "s_s": 1.0, "s_y": 1.0, "y_y": 1.0, "bs_bs": 4.0, "descent": 1.0, "after_step": 1.0}
    return [
        WindowRow(step=k, window=k, run=run, s_bs=c, y_bs=c, asymmetry=0.0, definiteness=1.0, **made)
        for k, c in enumerate(scales, start=1)
    ]


def test_intervals_hold_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(0)
    held = []
    for _ in range(400):
        found = summarise(rows(np.exp(generator.normal(1.0, 0.7, 20))), "", "").whole.scale
        held.append(found.low <= math.e <= found.high)
    assert 0.92 < np.mean(held) < 0.99


def test_intervals_are_wider_where_windows_are_alike():
    generator = np.random.default_rng(0)
    held, naive = [], []
    for _ in range(300):
        noise = generator.normal(0, 1, 60)
        for k in range(1, 60):
            noise[k] += 0.7 * noise[k - 1]
        found = summarise(rows(np.exp(1.0 + 0.3 * noise)), "", "").whole.scale
        held.append(found.low <= math.e <= found.high)
        naive.append(abs(0.3 * noise.mean()) < 2 * (0.3 * noise).std(ddof=1) / math.sqrt(60))
    assert np.mean(naive) < 0.7
    assert np.mean(held) > 0.88


def test_with_three_runs_the_runs_are_what_counts():
    every = [row for run, centre in enumerate((1.0, 2.0, 3.0)) for row in rows(np.full(10, math.exp(centre)), run)]
    found = summarise(every, "", "").whole.scale
    reach = 4.302653 / math.sqrt(3)
    assert found.value == pytest.approx(math.exp(2.0))
    assert found.high == pytest.approx(math.exp(2.0 + reach), rel=1e-5)


def test_some_negative_scales_make_the_mean_arithmetic():
    found = summarise(rows([-1.0, 2.0, 5.0]), "", "").whole.scale
    assert (found.value, found.geometric, found.count) == (2.0, False, 3)


def test_one_window_has_no_interval():
    found = summarise(rows([2.0]), "", "").whole.scale
    assert found.value == pytest.approx(2.0)
    assert (found.low, found.high) == (0.0, math.inf) or found.high > 1e300


def test_a_network_in_training_mode():
    training = Network()
    found = audit(training.optimizer, training.curvature)
    training.train(31)
    assert found.summary().matrix == "the Gauss-Newton matrix"
    assert found.summary().definiteness > 0
