"""The faces: what a user of the suite sees."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch

import adaqn_lab as lab
import verification
from verification import BadSubjectError, Outcome, by_name, verify
from verification.__main__ import main
from verification.law import Subject
from verification.roles import candidate

BROKEN = '''
"""A user's scaling: it divides by the root of what it is applied to."""
from dataclasses import dataclass

class ByItself:
    def apply_(self, v): return v / (v.abs() + 1e-4).sqrt()
    def solve_(self, v): return v

@dataclass(frozen=True)
class Broken:
    needs = frozenset()
    def check_recipe(self, recipe): pass
    def init(self, space): return None
    def observe_(self, state, step): pass
    def h0(self, state, curvature): return ByItself()
'''


@dataclass(frozen=True)
class Momentous:
    """No part of ours, and nothing of ours imported: d = H g + the last d / 2."""

    needs = frozenset()

    def check_recipe(self, recipe):
        pass

    def init(self, space):
        @dataclass
        class Velocity:
            v: torch.Tensor

        return Velocity(space.zeros())

    def direction_(self, state, step, operator):
        v = state.v / 2 + operator(step.g)
        sound = step.where & v.square().sum(1).isfinite()
        state.v = torch.where(sound.unsqueeze(1), v, state.v)
        return v

    def rollback_(self, state, where):
        state.v = torch.where(where.unsqueeze(1), 0.0, state.v)

    def advance_(self, state, where):
        pass


@verification.parametrize(lab.AdaGrad, partial(lab.AdaGrad, eps=1e-8), Momentous, examples=10)
def test_five_lines_under_pytest(check):
    check()


@verification.parametrize(
    Momentous,
    declares=("plain",),
    expect_failure={"plain-is-h-g": "it has momentum", "plain-for-life": "it has momentum"},
    examples=10,
)
def test_an_expected_failure_is_one(check):
    check()


def test_report_counts_and_is_true():
    report = verify(lab.Identity, examples=5)
    assert report
    assert report.count(Outcome.PASSED) >= 9
    assert all(result.message.startswith("not declared") for result in report.results if result.cases == 0)
    assert "0 failed" not in str(report)
    assert "identity-equals-textbook" in str(report)


def test_an_unexpected_pass_fails():
    report = verify(lab.Identity, examples=5, expect_failure={"scaling-linear": "it is said not to be"})
    assert not report
    assert [r.outcome for r in report.failures] == [Outcome.UNEXPECTED_PASS]


def test_a_failure_replays():
    report = verify(Momentous, declares=("plain",), examples=5)
    failure = next(failure for failure in report.failures if failure.law.name == "plain-is-h-g")
    assert {f.law.name for f in report.failures} == {"plain-is-h-g", "plain-for-life"}
    with pytest.raises(AssertionError, match="expected"):
        by_name("plain-is-h-g")(Momentous, failure.case)
    assert repr(failure.case) in failure.replay


def test_shrinking_ends(monkeypatch):
    monkeypatch.setattr("verification.running.PATIENCE", 0.0)
    failures = verify(Momentous, declares=("plain",), examples=5).failures
    failure = next(failure for failure in failures if failure.law.name == "plain-is-h-g")
    with pytest.raises(AssertionError, match="expected"):
        by_name("plain-is-h-g")(Momentous, failure.case)
    assert "two answers" not in failure.message


def test_check_raises_at_the_first_failure():
    verification.check_scaling(lab.AdaGrad, examples=5)
    with pytest.raises(AssertionError, match="breaks the law plain-"):
        verification.check_stepper(Momentous, declares=("plain",), examples=5)
    with pytest.raises(BadSubjectError, match="is a scaling, not a guard"):
        verification.check_guard(lab.AdaGrad)


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        (lab.AdaGrad(), {}, "cannot be called"),
        (dict, {}, "the attributes of no role"),
        (lab.MeanTimesBatch, {}, "raised TypeError"),
        (lab.AdaGrad, {"expect_failure": {"scaling-linaer": "typo"}}, "did you mean scaling-linear"),
        (lab.AdaGrad, {"expect_failure": {"guard-bound": "?"}}, "does not apply"),
        (lab.AdaGrad, {"declares": ("adagrd",)}, "did you mean adagrad"),
        (lab.AdaGrad, {"inputs": {"nothing": None}}, "no law 'nothing'"),
    ],
)
def test_what_cannot_be_verified_is_one_sentence(target, options, sentence):
    with pytest.raises(BadSubjectError, match=sentence) as error:
        verify(target, **options)
    assert "\n" not in str(error.value)


def test_extra_laws_and_inputs():
    own = replace(by_name("scaling-linear"), name="mine")
    report = verify(lab.Identity, extra=[own], inputs={"mine": by_name("scaling-pure").inputs}, examples=3)
    assert "mine" in {result.law.name for result in report.results}


def test_a_direction_function_is_recognised():
    assert verify(lambda S, Y, h0, g: h0 * g, examples=5).failures[0].law.name == "newest-secant"


def test_command_catches_a_broken_part_outside_the_repository(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["mine:Broken"]) == 1
    shown = capsys.readouterr().out
    assert "scaling-linear" in shown
    assert "ContractCase(runs=1, n=1" in shown, "the counter-example is shrunk"


def test_command_exit_status(capsys):
    assert main(["adaqn_lab:Identity", "--examples", "3"]) == 0
    assert main(["--list"]) == 0
    for bad in (["adaqn_lab"], ["no.such:Part"], ["adaqn_lab:Adagrad"], ["adaqn_lab:AdaGrad", "--examples", "0"]):
        capsys.readouterr()
        assert main(bad) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["adaqn_lab:Identity", "--examples", "3", "--expect-failure", "scaling-linear=why"]) == 1
    assert main(["adaqn_lab:Identity", "--expect-failure", "scaling-linear"]) == 2


def test_what_declares_nothing_is_held_to_the_contract_only(capsys):
    report = verify(Momentous, examples=2)
    assert report
    assert report.contract_only
    assert report.status == 3
    *_, last = str(report).splitlines()
    assert "contract only: " in last
    assert "'plain'" in last
    assert "'plain': d = H g. [2 laws]" in str(report)
    assert main(["adaqn_lab:Identity", "--examples", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "laws not tried, because it does not declare: 'adagrad'" in shown[-1]
    assert "contract only" not in shown[-1]
    assert verify(lab.ADAQN.but(stepper=Momentous()), examples=1).status == 0, "a recipe is held to its own parts"


def test_an_optimizer_class_is_a_method():
    class Mine(lab.QuasiNewton):
        pass

    subject = candidate(Mine)
    assert (subject.name, subject.role) == ("Mine", Subject.RECIPE)
    assert subject.target.optimizer is Mine


def test_progress_after_three_seconds(monkeypatch, capsys):
    monkeypatch.setattr("verification.progress.PATIENCE", 0.0)
    verify(lab.Identity, examples=1)
    lines = capsys.readouterr().err.splitlines()
    assert any(re.match(r"verify Identity\(\): \d+ s, law 2 of ", line) for line in lines)
    verify(lab.Identity, examples=1, progress=False)
    assert capsys.readouterr().err == ""


def test_command_without_a_target_verifies_what_is_shipped(monkeypatch, capsys):
    shipped = [lab.Identity, lab.ADAQN]
    monkeypatch.setattr("verification.command.everything", lambda: shipped)
    assert main(["--examples", "1"]) == 0
    first, second, total = capsys.readouterr().out.splitlines()
    assert first.startswith("scaling Identity()")
    assert second.startswith("recipe ADAQN")
    assert total.startswith("2 parts and recipes, ")
    shipped.append(lambda S, Y, h0, g: h0 * g)
    assert main(["--examples", "3"]) == 1
    assert "newest-secant" in capsys.readouterr().out
    assert main(["--declare", "fisher"]) == 2
