"""What enters a table: the evaluation at the chosen rate alone, and a word when the code is not of one kind."""

from dataclasses import replace

import pytest

from studies.analysis.conclusions import answer
from studies.analysis.mixed import mixed
from studies.analysis.search import Importance, Proposal
from studies.analysis.summary import Summary, summary_of
from studies.planning.plan import Phase, plan_of
from studies.planning.search import SearchPlan
from studies.reports.search_tables import answer as search_answer
from studies.reports.tables import notes
from studies.tasks import Text
from tests.studies.reports.made_up import ENVIRONMENT, PROVENANCE, experiment_of, records_of


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    experiment = experiment_of(text)
    return summary_of(experiment.configuration(), PROVENANCE, records_of(experiment))


def grown(summary: Summary, lr: float, loss: float) -> Summary:
    """The same with Adam's evaluation runs at another rate too, which was the best one before."""
    more = [
        replace(run, cell=replace(run.cell, lr=lr), outcome=replace(run.outcome, validation_loss=loss, test_loss=loss))
        for run in summary.runs("Adam")
    ]
    return summary_of(summary.configuration, summary.provenance, [*more, *summary.records, *more])


def test_only_the_chosen_rate_s_evaluation_counts(summary: Summary) -> None:
    choice = plan_of(summary.configuration).chosen("Adam", summary.records)
    other = next(lr for lr in summary.row("Adam").tuning if lr != summary.row("Adam").lr)  # type: ignore[union-attr]
    found = grown(summary, other, loss=0.01)
    assert len(found.records) == len(summary.records) + 6
    assert found.rows == summary.rows
    assert {run.cell.choice for run in found.runs("Adam")} == {choice}
    assert found.race("steps") == summary.race("steps")
    assert answer(found) == answer(summary)


def test_a_grown_study_takes_the_rate_that_is_the_best_now(summary: Summary) -> None:
    other = 7.0
    tuned = [run for run in summary.records if run.cell.phase == Phase.TUNE and run.cell.variant == "Adam"][:2]
    better = [
        replace(run, cell=replace(run.cell, lr=other), outcome=replace(run.outcome, validation_loss=0.1))
        for run in tuned
    ]
    variants = summary.configuration["variants"]
    wider = {**variants["Adam"], "lr": [*variants["Adam"]["lr"], other]}
    configuration = {**summary.configuration, "variants": {**variants, "Adam": wider}, "rounds": 0}
    found = summary_of(configuration, {}, [*grown(summary, other, loss=0.02).records, *better])
    row = found.row("Adam")
    assert row is not None
    assert row.loss is not None
    assert (row.lr, row.loss.mean, row.runs) == (other, pytest.approx(0.02), 6)
    # Its tuning is known and its evaluation not: nothing is told of the old one.
    unfinished = summary_of(configuration, {}, [*summary.records, *better]).row("Adam")
    assert unfinished is not None
    assert (unfinished.lr, unfinished.runs, unfinished.note) == (other, 0, "no evaluation run finished")


def test_code_is_told_apart_by_sources_then_commit_and_by_torch() -> None:
    assert mixed([]) == mixed([{}, {}]) == mixed([ENVIRONMENT] * 3) == ""
    assert mixed([{**ENVIRONMENT, "device": "cuda", "python": "3.13"}, ENVIRONMENT]) == ""
    one = {"sources": "1a2b3c", "commit": "aaaaaaa", "torch": "2.11.0"}
    assert mixed([one, {**one, "commit": "bbbbbbb"}]) == ""  # of the same sources
    assert mixed(
        [{"sources": "4d5e6f", "torch": "2.13.0"}, *[one] * 7, *[{"sources": "4d5e6f", "torch": "2.13.0"}] * 2]
    ) == (
        "MIXED: 7 of 10 runs are of code 1a2b3c with torch 2.11.0, 3 of code 4d5e6f with torch 2.13.0: differences may "
        "come from the code."
    )
    assert "2 of 3 runs are of code aaaaaaa with torch 2.11.0, 1 of code aaaaaaa+ with" in mixed(
        [{"commit": "aaaaaaa+", "torch": "2.11.0"}, *[{"commit": "aaaaaaa", "torch": "2.11.0"}] * 2]
    )
    assert "1 of code unknown with torch unknown" in mixed([{}, one, one])
    assert mixed([one, {**one, "torch": "2.13.0"}]).count("1a2b3c") == 2


def test_trials_of_a_search_too(text: Text) -> None:
    plan = SearchPlan(text=text, model="rnn-tanh", base="ADAQN", factors=("guard",), steps=5, seeds=1, trials=2, even=2)
    one = Proposal(
        key="search 0", choice={"guard": "no-guard"}, lr=0.1, loss=1.0, losses=(1.0,), seconds=1.0, method="",
        environment=ENVIRONMENT,
    )  # fmt: skip
    assert search_answer(plan, [one, one], "none")[0].startswith("The best of 2 trials")
    other = replace(one, environment={**ENVIRONMENT, "torch": "2.11.0"})
    assert search_answer(plan, [one, other], "none")[0].startswith(
        "MIXED: 1 of 2 runs are of code 32bb098740e1 with torch"
    )


def test_diverged_trials_and_factors_without_effect_are_told(text: Text) -> None:
    plan = SearchPlan(text=text, model="rnn-tanh", base="ADAQN", factors=("guard",), steps=5, seeds=1, trials=2, even=2)
    one = Proposal(key="search 0", choice={}, lr=0.1, loss=1.0, losses=(1.0,), seconds=1.0, method="")
    lost = replace(one, loss=float("inf"), losses=(None,))
    nothing = Importance(totals={"guard": 0.0}, shares={}, exact=True, note="")
    told = search_answer(plan, [one, lost], nothing)
    assert told[2:] == ["1 of 2 trials diverged and is left out of the table.", "No factor made any difference."]
    assert search_answer(plan, [one], nothing)[0].startswith("The best of 1 trial reached")
    assert "2 of 3 trials diverged and are left out" in search_answer(plan, [one, lost, lost], nothing)[2]


def test_mixed_code_comes_first(summary: Summary) -> None:
    changed = {**ENVIRONMENT, "sources": "0123456789ab"}
    records = [replace(r, environment=changed) if r.cell.variant == "Adam" else r for r in summary.records]
    found = summary_of(summary.configuration, {}, records)
    told = [sentence for sentence in answer(found) if sentence.startswith("MIXED: ")]
    assert told == [answer(found)[0]] == [notes(found)[0]]
    assert "MIXED: 19 of 30 runs are of code 32bb098740e1 with torch 2.13.0+cpu, 11 of code 0123456789ab" in told[0]
    assert not any("MIXED" in sentence for sentence in [*answer(summary), *notes(summary)])
    # Evaluation at a rate that is no longer the chosen one is in no table.
    old = [replace(run, cell=replace(run.cell, lr=9.0), environment=changed) for run in summary.runs("Adam")]
    assert summary_of(summary.configuration, {}, [*summary.records, *old]).mixed == ""


def test_what_is_not_finished_says_so_first_and_chooses_nothing(summary: Summary) -> None:
    evaluated = [run for run in summary.records if run.cell.phase == Phase.EVALUATE]
    some = summary_of(summary.configuration, {}, [run for run in summary.records if run is not evaluated[0]])
    assert summary.warnings == []
    assert summary.unfinished == ""
    assert answer(some)[0] == notes(some)[0] == f"UNFINISHED: {len(some.records)} of {len(summary.records)} runs."
    given_up = summary_of(summary.configuration, {}, some.records, [evaluated[0].cell.key])
    assert given_up.warnings == []
    tuned = [run for run in summary.records if run.cell.phase == Phase.TUNE and run.cell.variant == "Adam"]
    early = summary_of(summary.configuration, {}, tuned[:-1])
    row = early.row("Adam")
    assert row is not None
    assert (row.lr, row.at_edge, row.note) == (None, False, "its tuning is not finished")
