"""The command ``search``: it finishes, repeats itself, grows; and what it says of its trials."""

import csv
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from studies.analysis.search import Importance, Proposal, front, importance, proposals
from studies.execution.provenance import environment
from studies.execution.run import Coordinator
from studies.execution.store import Store
from studies.execution.worker import Present, work
from studies.planning.search import SearchPlan
from studies.planning.search_space import LR
from studies.tasks import Text
from tests.studies.conftest import Command, Refused


@pytest.fixture
def plan(text: Text) -> SearchPlan:
    return SearchPlan(
        text=text, model="rnn-tanh", base="ADAQN", factors=("guard", "capacity"), steps=25, seeds=2, trials=8, even=5
    )


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
    for number, point in enumerate(cell.parameters for cell in complete.cells({}, set())):
        loss = 1.0 + effect.get(point["guard"], 0.0)
        loss += 10.0 if point[LR] > 0.2 else 0.0  # a rate that no combination would choose
        found.append(proposal(loss, number, guard=point["guard"], capacity=point["capacity"]))
    matters = importance(complete, sorted(found, key=lambda p: p.loss))
    assert isinstance(matters, Importance)
    assert matters.exact
    assert matters.totals["capacity"] == pytest.approx(0.0, abs=1e-12)
    assert matters.totals["guard"] == pytest.approx(1 - matters.shares[("seed",)])
    assert isinstance(importance(complete, found[3:]), str)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_searches_resumes_grows_and_reports(text_file: Path, tmp_path: Path, command: Command, called: Command) -> None:
    out = tmp_path / "s"
    given = [
        "search", "--text", str(text_file), "--model", "rnn-tanh", "--factors", "guard", "scaling", "--steps", "21",
        "--seeds", "1", "--even", "24", "--workers", "1", "--timed", "--out", str(out), "--trials",
    ]  # fmt: skip
    done = command(*given, "26")
    assert done.returncode == 0, done.stderr
    assert "share of the variance" in done.stdout
    assert "is estimated to explain" in done.stdout
    again = called(*given, "26")
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
    found = rows(out)
    assert len(found) == len({row["trial"] for row in found}) == 26
    assert all(row["method"].startswith("Recipe(") for row in found)
    losses = [float(row["loss"]) for row in found if row["loss"]]
    assert losses == sorted(losses)
    page = (out / "report.html").read_text()
    assert "Bars: the share" in page
    assert "https://" not in page

    grown = called(*given, "28")
    assert grown.returncode == 0, grown.stderr
    more = rows(out)
    assert len(more) == len({row["trial"] for row in more}) == 28
    assert {tuple(row.values()) for row in found} < {tuple(row.values()) for row in more}
    fewer = called(*given, "26")
    assert (fewer.returncode, fewer.stdout) == (2, "")
    assert "--trials 26 would be fewer" in fewer.stderr
    dry = called(*given, "26", "--dry-run")
    assert (dry.returncode, dry.stdout, dry.stderr) == (2, "", fewer.stderr)
    assert called(*given, "30", "--dry-run").stdout.startswith("2 of 30 trials of 1 run of 21 steps are left")


def test_a_factorial_search_is_exact(plan: SearchPlan, tmp_path: Path) -> None:
    complete = replace(plan, factorial=True, factors=("guard",), rates=1, steps=5)
    store = Store(tmp_path, study="search")
    store.claim_for(complete, environment())
    Coordinator(complete, store).advance()
    assert work(store, Present(store, complete.text), threading.Event(), patience=0.0) == complete.size
    found = proposals(complete, store.snapshot())
    matters = importance(complete, found)
    assert isinstance(matters, Importance)
    assert sum(matters.shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            ("--side-by-side", "auto"),
            "--side-by-side auto is nothing for a search study, whose trials are done one after",
        ),
        (("--tf32",), "which cpu does not have"),
        (("--schedule", "steps"), "no schedule named 'steps'"),
    ],
)
def test_refuses_in_one_sentence(refused: Refused, text_file: Path, given: tuple[str, ...], told: str) -> None:
    assert told in refused("search", "--text", str(text_file), *given)
