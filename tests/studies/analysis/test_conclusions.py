"""The answer says what the tests say, and no more; made-up losses with known differences."""

import random
from dataclasses import replace

import pytest

from studies.analysis.clocks import reached, work
from studies.analysis.conclusions import answer
from studies.analysis.summary import Summary, summary_of
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.planning.plan import Phase
from studies.planning.record import Record
from studies.reports.columns import MISSING
from studies.reports.tables import comparison
from studies.tasks import Text
from studies.training.outcome import Outcome, Point


def outcome(loss: float | None, seconds: float = 2.0) -> Outcome:
    """A run of 100 steps whose loss falls evenly from 4."""
    end = 4.0 if loss is None else loss
    curve = tuple(Point(steps=k, seconds=seconds * k / 100, loss=4 + (end - 4) * k / 100) for k in (0, 50, 100))
    return Outcome(
        diverged=loss is None, validation_loss=loss, test_loss=loss, steps=100, seconds=seconds, curve=curve
    )  # fmt: skip


def summary(text: Text, shifts: dict[str, float | None], seeds: int) -> Summary:
    """ADAQN at 2 nats and variants shifted from it, with the same noise per seed and a little of their own."""
    draw = random.Random(1)
    budget = Budget(steps=100, rates=1, tuning_seeds=1, seeds=seeds)
    made = Experiment(text=text, model="rnn-tanh", budget=budget, variants=tuple(shifts))
    noise = [draw.gauss(0.0, 0.3) for _ in range(seeds)]
    records = []
    for variant, shift in shifts.items():
        cells = made.plan.tuning(variant) + made.plan.evaluation(variant, made.plan.trials[variant].choices[0])
        for cell in cells:
            loss = None if shift is None else 2 + shift + noise[cell.seed % 100] + draw.gauss(0.0, 0.01)
            if shift is None and cell.phase == Phase.TUNE:
                loss = 3.0
            records.append(Record(cell=cell, outcome=outcome(loss), method="", environment={}))
    return summary_of(made.configuration(), {}, records)


def test_names_what_is_better_worse_and_unclear(text: Text) -> None:
    found = summary(text, {"ADAQN": 0.0, "Adam": -0.1, "AdaGrad": 0.2, "RMSProp": 0.0}, seeds=10)
    first, *rest = answer(found)
    assert "Adam was better than ADAQN" in first
    assert "10 of 10 seeds agree" in first
    assert "AdaGrad" not in first
    assert any("Worse than ADAQN: AdaGrad (+0.2" in sentence for sentence in rest)
    assert any("could be shown for RMSProp;" in sentence for sentence in rest)
    row = found.row("Adam")
    assert row is not None
    assert row.test is not None
    assert row.test.p == 2 / 2**10
    assert row.test.p_holm == pytest.approx(3 * 2 / 2**10)  # of three comparisons, and AdaGrad's p is the same
    assert row.test.low is not None
    assert row.test.high is not None
    assert row.test.low < -0.1 < row.test.high


def test_the_interval_points_the_same_way_as_the_difference(text: Text) -> None:
    found = summary(text, {"ADAQN": 0.0, "Adam": -0.1}, seeds=10)
    test = found.rows[1].test
    assert test is not None
    assert test.low is not None
    assert test.high is not None
    first = answer(found)[0]
    assert f"by {-test.mean:.4f} nats per character (95 % interval {-test.high:.4f} to {-test.low:.4f}" in first
    assert f"p = {test.p_in_words} after Holm's correction" in first


def test_a_p_is_told_alike_everywhere_or_nowhere(text: Text) -> None:
    for seeds, told in ((5, None), (6, "0.031"), (12, "< 0.001")):
        found = summary(text, {"ADAQN": 0.0, "Adam": -0.1}, seeds=seeds)
        test = found.rows[1].test
        assert test is not None
        assert test.p_in_words == told
        cells = dict(zip(comparison(found).headings, comparison(found).lines[1], strict=True))
        assert cells["p, Holm"] == (MISSING if told is None else f"{told}!")
        assert ("after Holm" in " ".join(answer(found))) == (told is not None)
    assert "p < 0.001 after Holm's correction" in answer(found)[0]


def test_claims_nothing_that_the_number_of_seeds_cannot_show(text: Text) -> None:
    five = answer(summary(text, {"ADAQN": 0.0, "Adam": -1.0}, seeds=5))
    assert "no difference can be significant (the least p is 0.062)" in five[0]
    assert "was better than" not in " ".join(five)
    six = answer(summary(text, {"ADAQN": 0.0, "Adam": -1.0}, seeds=6))
    assert "Adam was better than ADAQN" in six[0]
    crowded = answer(summary(text, {"ADAQN": 0.0, "Adam": -1.0, "AdaGrad": -1.0}, seeds=6))
    assert "6 seeds and 2 comparisons no difference can be significant" in crowded[0]


def test_says_that_the_base_is_the_best_and_what_is_the_same(text: Text) -> None:
    first, *_ = answer(summary(text, {"ADAQN": 0.0, "Adam": 1.0}, seeds=2))
    assert "With 2 seeds and 1 comparison no difference can be significant" in first
    assert "no variant was better than ADAQN; the nearest was Adam, 0.997" in first
    (alone, *_) = answer(summary(text, {"ADAQN": 0.0, "Adam": -1.0}, seeds=1))
    assert "With 1 seed and 1 comparison" in alone
    assert "1 of 1 seed agrees" in alone
    found = summary(text, {"ADAQN": 0.0, "ADAQN-no-guard": 0.5, "Adam": 0.5}, seeds=8)
    of_base = {run.cell.seed: run.outcome for run in found.runs("ADAQN")}
    records = [
        replace(run, outcome=of_base[run.cell.seed])
        if run.cell.variant == "ADAQN-no-guard" and run.cell.seed in of_base
        else run
        for run in found.records
    ]
    same = answer(summary_of(found.configuration, {}, records))
    assert "ADAQN-no-guard and ADAQN gave the same losses." in same
    assert not any("proof of equality" in sentence for sentence in same)
    few = [run for run in records if run.cell.variant != "Adam" and run.cell.seed != 107]
    only = {name: found.configuration["variants"][name] for name in ("ADAQN", "ADAQN-no-guard")}
    told = answer(summary_of({**found.configuration, "variants": only, "seeds": 2}, {}, [
        run for run in few if run.cell.phase == Phase.TUNE or run.cell.seed < 102
    ]))  # fmt: skip
    assert told == ["ADAQN-no-guard and ADAQN gave the same losses."]


def test_a_seed_without_a_difference_agrees_with_nobody(text: Text) -> None:
    found = summary(text, {"ADAQN": 0.0, "Adam": 1.0}, seeds=3)
    of_base = {run.cell.seed: run.outcome for run in found.runs("ADAQN")}
    records = [
        replace(run, outcome=of_base[run.cell.seed])
        if run.cell.variant == "Adam" and run.cell.seed in (101, 102)
        else run
        for run in found.records
    ]
    assert "1 of 3 seeds agree" in answer(summary_of(found.configuration, {}, records))[0]


def test_says_when_runs_diverged_and_when_there_is_no_answer(text: Text) -> None:
    told = answer(summary(text, {"ADAQN": 0.0, "Adam": -0.1, "AdaGrad": None}, seeds=8))
    assert any("diverged" in sentence and "AdaGrad (8 of 8)" in sentence for sentence in told)
    nothing = answer(summary(text, {"ADAQN": 0.0}, seeds=8))
    assert nothing[0].startswith("There is no answer yet")


def test_reaching_a_loss_on_three_clocks() -> None:
    run = replace(outcome(2.0, seconds=10.0), calls={"monitor loss": 10, "Hessian-vector product": 5})
    windows = {"monitor_batches": 4}
    assert work(run, windows) == 100 + 10 * 4 / 2 + 5 * 2 * 2
    assert reached(run, 3.0, "steps", windows) == pytest.approx(50)
    assert reached(run, 2.5, "steps", windows) == pytest.approx(75)  # between two points
    assert reached(run, 2.5, "seconds", windows) == pytest.approx(7.5)
    assert reached(run, 2.5, "work", windows) == pytest.approx(0.75 * work(run, windows))
    assert reached(run, 4.5, "steps", windows) == 0.0
    assert reached(run, 1.9, "steps", windows) == float("inf")


def test_the_race_is_to_the_best_baseline_s_loss(text: Text) -> None:
    found = summary(text, {"ADAQN": -0.5, "Adam": 0.1, "AdaGrad": 0.0}, seeds=8)
    race = found.race("steps")
    assert race is not None
    assert race.setter == "AdaGrad"
    assert race.median("ADAQN") < race.median("AdaGrad")
    assert race.successes("ADAQN") >= race.successes("Adam")
    profile = race.profile("ADAQN")
    assert [share for _, share in profile] == sorted(share for _, share in profile)
    assert profile[0][0] == 1.0  # on some seed nobody was faster
    fastest_somewhere = sum(race.profile(name)[0][0] == 1.0 for name in race.costs if race.profile(name))
    assert fastest_somewhere >= 1
    alone = summary(text, {"ADAQN": 0.0, "ADAQN-no-pairs": 0.1}, seeds=8).race("steps")
    assert alone is not None
    assert alone.setter == "ADAQN"
