"""A joint search: what is proposed, what is stored, what it says; on a task of a second."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from adaqn_lab import ADAQN
from studies.analysis.search import Importance, Proposal, front, importance, proposals
from studies.errors import InputError
from studies.execution.store import Store
from studies.planning.search import SearchPlan
from studies.planning.search_space import LR, Space
from studies.tasks import Text
from studies.variants.names import FACTORS, bases
from tests.studies.conftest import Command

SPACE = Space(base=bases(50)["ADAQN"], factors=tuple(FACTORS), batch_size=50)


@pytest.fixture
def plan(text: Text) -> SearchPlan:
    return SearchPlan(
        text=text, model="rnn-tanh", base="ADAQN", factors=("guard", "capacity"), steps=25, seeds=2, trials=8, even=5
    )


def test_every_point_of_the_space_is_a_recipe() -> None:
    points = SPACE.evenly(200, seed=1)
    recipes = {repr(SPACE.variant(point).method) for point in points}
    assert len(recipes) > 150
    for name, levels in SPACE.levels.items():
        assert {point[name] for point in points} == set(levels)
    rates = sorted(point[LR] for point in points)
    assert 1e-3 <= rates[0] < 3e-3
    assert 0.3 < rates[-1] <= 1.0
    assert 0.01 < rates[100] < 0.1  # even in its logarithm
    assert points == SPACE.evenly(200, seed=1)
    assert points != SPACE.evenly(200, seed=2)


def test_the_base_s_own_levels_give_the_base() -> None:
    own = {
        name: next(label for label, level in levels.items() if level.change(ADAQN) == ADAQN)
        for name, levels in SPACE.levels.items()
    }
    assert SPACE.variant(own).method == ADAQN


def test_a_factorial_is_complete() -> None:
    small = replace(SPACE, factors=("guard", "capacity"))
    points = small.factorial((0.1, 0.3))
    assert len(points) == small.combinations * 2 == len({tuple(point.items()) for point in points})


def test_refusals(plan: SearchPlan) -> None:
    with pytest.raises(InputError, match="more than 5000"):
        replace(plan, factorial=True, factors=tuple(FACTORS))
    with pytest.raises(InputError, match="colour"):
        replace(plan, factors=("colour",))
    with pytest.raises(InputError, match="base named 'Adam'"):
        replace(plan, base="Adam")
    stored = plan.configuration()
    assert SearchPlan.from_configuration(stored, plan.text).configuration() == stored
    stored["factors"]["guard"]["no-guard"] = "another recipe"
    with pytest.raises(InputError, match="factors differ in guard"):
        SearchPlan.from_configuration(stored, plan.text)


def proposal(loss: float, seconds: float, **choice: str) -> Proposal:
    return Proposal(
        key=f"search {seconds}", choice=choice, lr=0.1, loss=loss, losses=(loss - 0.1, loss + 0.1), seconds=seconds,
        method="",
    )  # fmt: skip


def test_front_keeps_what_nothing_beats() -> None:
    found = [
        proposal(2.0, 5.0),
        proposal(1.0, 9.0),
        proposal(1.5, 9.5),
        proposal(2.5, 1.0),
        proposal(float("inf"), 0.1),
    ]
    assert [(p.loss, p.seconds) for p in front(found)] == [(1.0, 9.0), (2.0, 5.0), (2.5, 1.0)]


def test_an_exact_importance_takes_each_combination_at_its_best_rate(plan: SearchPlan) -> None:
    complete = replace(plan, factorial=True)
    effect = {"no-guard": 3.0}
    found = []
    for number, point in enumerate(complete.points().values()):
        loss = 1.0 + effect.get(point["guard"], 0.0)
        loss += 10.0 if point[LR] > 0.2 else 0.0  # a rate that no combination would choose
        found.append(proposal(loss, number, guard=point["guard"], capacity=point["capacity"]))
    matters = importance(complete, sorted(found, key=lambda p: p.loss))
    assert isinstance(matters, Importance)
    assert matters.exact
    assert matters.totals["capacity"] == pytest.approx(0.0, abs=1e-12)
    assert matters.totals["guard"] == pytest.approx(1 - matters.shares[("seed",)])
    assert isinstance(importance(complete, found[3:]), str)


def test_searches_resumes_and_reports(text_file: Path, tmp_path: Path, command: Command) -> None:
    given = [
        "search", "--text", str(text_file), "--model", "rnn-tanh", "--factors", "guard", "scaling", "--steps", "21",
        "--seeds", "1", "--trials", "26", "--even", "24", "--workers", "1", "--timed", "--out", str(tmp_path / "s"),
    ]  # fmt: skip
    done = command(*given)
    assert done.returncode == 0, done.stderr
    assert "share of the variance" in done.stdout
    assert "is estimated to explain" in done.stdout
    again = command(*given)
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
    with (tmp_path / "s" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["trial"] for row in rows}) == 26
    assert all(row["method"].startswith("Recipe(") for row in rows)
    losses = [float(row["loss"]) for row in rows if row["loss"]]
    assert losses == sorted(losses)
    page = (tmp_path / "s" / "report.html").read_text()
    assert "Bars: the share" in page
    assert "https://" not in page


def test_a_factorial_search_is_exact(plan: SearchPlan, tmp_path: Path) -> None:
    from threading import Event

    from studies.execution.run_search import _advance
    from studies.execution.search_job import SearchJob
    from studies.execution.worker import work

    complete = replace(plan, factorial=True, factors=("guard",), rates=1, steps=5)
    store = Store(tmp_path)
    store.claim_for(complete.configuration(), {})
    _advance(complete, store, 0)
    assert work(store, SearchJob(complete), Event(), patience=0.0) == complete.size
    found = proposals(complete, store.snapshot())
    matters = importance(complete, found)
    assert isinstance(matters, Importance)
    assert sum(matters.shares.values()) == pytest.approx(1.0)
