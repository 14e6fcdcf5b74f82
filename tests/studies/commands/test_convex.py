"""The convex showcase: its optimum, its command, its results file."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from adaqn_lab import Need
from adaqn_lab.recipes import ALL
from studies.__main__ import main
from studies.convex.engine import beyond, rates
from studies.convex.lines import RESULTS
from studies.convex.methods import choose_methods, known_methods
from studies.convex.problem import DATA, Logistic, breast_cancer, optimum
from studies.convex.training import Samples, train
from tests.studies.conftest import Command, Refused

SMALL = (
    "convex",
    "--data",
    "breast-cancer",
    "--epochs",
    "2",
    "--seeds",
    "2",
    "--workers",
    "1",
    "--recipes",
    "MULTIBATCH_LBFGS",
    "SQN",
    "SGD",
)
FILES = ["convex.csv", "convex.md", "convex.json", "convex.png"]


@pytest.mark.parametrize("data", DATA)
def test_the_floor_is_the_optimum_of_a_plain_implementation(data: str) -> None:
    problem = DATA[data].load()
    floor, m = optimum(problem), problem.examples
    assert floor.gradient < 1e-8
    A = np.hstack([problem.features.numpy(), np.ones((problem.examples, 1))])
    b, penalty = problem.labels.numpy(), 1 / m

    def f(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = b * (A @ w)
        value = np.logaddexp(0, -z).mean() + penalty / 2 * w @ w
        return float(value), A.T @ (-b / (1 + np.exp(z))) / len(b) + penalty * w

    value, gradient = f(np.array(floor.w))
    assert value == pytest.approx(floor.value, rel=1e-12)
    assert np.abs(gradient).max() < 1e-8
    other = minimize(f, np.zeros(A.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    assert other.fun == pytest.approx(floor.value, rel=1e-9)


def test_the_noise_is_that_of_estimates_from_many_samples() -> None:
    """On data without structure: the mean f - f* of the optima of resampled problems, against noise / N."""
    draw = np.random.default_rng(0)
    A, N = draw.standard_normal((400, 2)), 4000
    b = np.sign(A[:, 0] + 2 * draw.standard_normal(400))
    problem = Logistic(torch.from_numpy(A), torch.from_numpy(b))
    floor, gaps = optimum(problem), []
    rows, w = np.hstack([A, np.ones((400, 1))]), torch.tensor(floor.w, dtype=torch.float64)
    for _ in range(200):
        count = np.bincount(draw.integers(400, size=N), minlength=400) / N

        def f(w: np.ndarray, count: np.ndarray = count) -> float:
            return float(count @ np.logaddexp(0, -b * (rows @ w)) + w @ w / 800)

        found = torch.from_numpy(minimize(f, w.numpy(), method="BFGS").x)
        gaps.append(float(problem.value(found[None, :2], found[None, 2:])) - floor.value)
    assert np.mean(gaps) == pytest.approx(floor.noise / N, rel=5 * np.sqrt(2 / 3 / 200))


def test_gauss_newton_of_the_outputs_is_the_hessian() -> None:
    problem = breast_cancer()
    rows = torch.arange(40)[None]
    x, c = (torch.randn(1, n, dtype=torch.float64, generator=torch.manual_seed(n)) for n in (30, 1))
    outputs = problem.outputs(x, c, rows)
    curved = torch.func.hessian(lambda o: problem.loss(o[None], rows)[0])(outputs[0])
    J = torch.func.jacrev(lambda w: problem.outputs(w[None, :30], w[None, 30:], rows)[0])(torch.cat([x, c], 1)[0])
    H = torch.func.hessian(lambda w: problem.loss(problem.outputs(w[None, :30], w[None, 30:], rows), rows)[0])(
        torch.cat([x, c], 1)[0]
    )
    assert torch.allclose(J.T @ curved @ J, H, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["SQN", "MULTIBATCH_LBFGS", "ADAQN_GAUSS_NEWTON"])
def test_side_by_side_is_one_by_one(name: str) -> None:
    setting = {"problem": breast_cancer(), "floor": 0.0664, "epochs": 3, "samples": Samples.of(32, 569)}
    cells = [(0.01, 1), (0.05, 2)]
    (method,) = choose_methods((name,), 32)
    both = train(method, cells, **setting)  # type: ignore[arg-type]
    for cell, trial in zip(cells, both, strict=True):
        (alone,) = train(method, [cell], **setting)  # type: ignore[arg-type]
        assert trial.gap == pytest.approx(alone.gap, rel=1e-6)
        assert (trial.admitted, trial.skipped, trial.rollbacks) == (alone.admitted, alone.skipped, alone.rollbacks)


def test_knows_every_recipe_and_every_need() -> None:
    known = known_methods(32)
    assert {named.name for named in ALL} <= known.keys()
    assert {need for method in known.values() for need in method.needs} == set(Need)


def test_the_grid_goes_one_decade_further_at_its_edges() -> None:
    assert rates()[0] == 0.001
    assert rates()[-1] == 10.0
    assert beyond(0.001) == (0.0001, 0.000316)
    assert beyond(10.0) == (31.6, 100.0)
    assert beyond(0.1) == beyond(None) == ()


def test_the_command_finishes_resumes_and_repeats_itself(
    tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "convex"
    done = command(*SMALL, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert all((out / name).stat().st_size > 100 for name in FILES)
    for shown in ("MULTIBATCH_LBFGS", "SQN", "SGD", "0/2", *FILES):
        assert shown in done.stdout
    assert "…" not in done.stdout
    with (out / "convex.csv").open() as file:
        medians = [float(row["gap_median"]) for row in csv.DictReader(file)]
    assert medians == sorted(medians)
    assert len(medians) == 3

    assert main([*SMALL, "--out", str(out)]) == 0
    assert capsys.readouterr() == (done.stdout, "")

    lines = (out / RESULTS).read_text().splitlines(keepends=True)
    (out / RESULTS).write_text("".join(lines[:-1]) + lines[-1][:50])  # killed while it wrote the last one
    resumed = command(*SMALL, "--out", str(out))
    assert resumed.returncode == 0, resumed.stderr
    after = (out / RESULTS).read_text().splitlines(keepends=True)
    assert after[:-1] == lines[:-1]
    gaps = [[run["curve"][-1]["gap"] for run in json.loads(line)["evaluation"]] for line in (lines[-1], after[-1])]
    assert gaps[0] == gaps[1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--recipes", "LBFGS"), "There is no recipe named 'LBFGS'"),
        (("--epochs", "0"), "--epochs 0 is too small"),
        (("--batch", "0"), "--batch 0 is too small"),
        (("--batch", "1798"), "--batch 1798 is more than the 1797 examples"),
        (("--seeds", "0"), "--seeds 0 is too small"),
        (("--workers", "0"), "--workers 0 is too small"),
    ],
)
def test_refuses_in_one_sentence(refused: Refused, given: tuple[str, ...], told: str) -> None:
    assert told in refused("convex", *given)


def test_refuses_a_file_of_something_else(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text("notes\n")
    assert "not the results file of a showcase" in refused("convex", "--out", str(tmp_path))
    assert (tmp_path / RESULTS).read_text() == "notes\n"
