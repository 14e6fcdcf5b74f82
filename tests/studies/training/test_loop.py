"""One run: deterministic, paired across variants, divergence as an outcome."""

import json
from math import log

import pytest
import torch

from studies.models import MODELS
from studies.planning.experiment import Experiment
from studies.tasks.adding import AddingTask
from studies.training.loop import Cancelled, train
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.variants.names import known_variants


def run(experiment: Experiment, variant: str, lr: float, seed: int = 3, steps: int = 45) -> Outcome:
    return train(
        known_variants(50)[variant],
        lr,
        seed,
        task=experiment.task,
        architecture=experiment.architecture,
        schedule=Schedule(steps=steps),
    )


@pytest.mark.parametrize("variant", ["ADAQN", "Adam"])
def test_same_cell_same_losses_bit_for_bit(experiment: Experiment, variant: str) -> None:
    first, second = (run(experiment, variant, 0.03) for _ in range(2))
    assert [p.loss for p in first.curve] == [p.loss for p in second.curve]
    assert (first.test_loss, first.admitted) == (second.test_loss, second.admitted)
    assert run(experiment, variant, 0.03, seed=4).validation_loss != first.validation_loss


def test_learns_and_counts_what_the_optimizer_did(experiment: Experiment) -> None:
    outcome = run(experiment, "ADAQN-no-guard", 0.03)
    assert outcome.validation_loss is not None
    assert outcome.validation_loss < 0.8 * log(experiment.task.symbols)
    assert (outcome.admitted or 0) + (outcome.skipped or 0) == 1  # windows at 20 and 40 steps: one displacement
    assert outcome.rollbacks == 0
    assert outcome.curve[-1].steps == outcome.steps == 45
    assert Outcome.from_json(outcome.to_json()) == outcome


def test_tells_when_windows_ended_and_what_was_evaluated(experiment: Experiment) -> None:
    outcome = run(experiment, "ADAQN", 0.03, steps=90)
    kinds = [kind for _, kind in outcome.events]
    assert kinds.count("ADMITTED") == outcome.admitted
    assert kinds.count("SKIPPED") == outcome.skipped
    assert kinds.count("ROLLED_BACK") == outcome.rollbacks
    assert {step for step, _ in outcome.events} <= {20, 40, 60, 80}
    assert outcome.calls == {"monitor loss": 4}
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome
    first_order = run(experiment, "Adam", 0.01)
    assert (first_order.events, first_order.calls) == ((), {})


def test_variants_of_one_seed_start_alike(experiment: Experiment) -> None:
    starts = {run(experiment, name, 0.01, steps=1).curve[0].loss for name in ("ADAQN", "Adam", "RMSProp")}
    assert len(starts) == 1
    assert run(experiment, "Adam", 0.01).admitted is None


def test_diverging_is_an_outcome_that_ends_the_run(experiment: Experiment) -> None:
    outcome = run(experiment, "AdaGrad", 1e6)
    assert outcome.diverged
    assert outcome.validation_loss is outcome.test_loss is None
    assert outcome.steps < 45


def test_a_test_loss_that_is_no_number_is_divergence_too() -> None:
    task = AddingTask(length=8, held_out=20)
    task.test[1].fill_(float("inf"))
    outcome = train(
        known_variants(50)["Adam"], 0.01, 3, task=task, architecture=MODELS["rnn-tanh"], schedule=Schedule(steps=5)
    )
    assert outcome.diverged
    assert outcome.validation_loss is outcome.test_loss is None


@pytest.mark.parametrize("name", ["SDLBFGS", "SQN_BY_DIFFERENCE", "ADAQN_GAUSS_NEWTON", "MLBFGS", "MULTIBATCH_LBFGS"])
def test_the_family_finds_its_needs_met(experiment: Experiment, name: str) -> None:
    outcome = run(experiment, name, 0.05)
    assert not outcome.diverged
    assert outcome.validation_loss is not None
    assert outcome.validation_loss < outcome.curve[0].loss
    assert (outcome.admitted or 0) + (outcome.skipped or 0) + (outcome.rollbacks or 0) > 0


def test_stops_between_steps_when_cancelled(experiment: Experiment) -> None:
    variant = known_variants(50)["Adam"]
    with pytest.raises(Cancelled):
        train(
            variant, 0.01, 0, task=experiment.task, architecture=experiment.architecture,
            schedule=Schedule(steps=5), cancelled=lambda: True,
        )  # fmt: skip


@pytest.mark.parametrize("steps", [1, 7, 20, 1000])
def test_marks_end_with_the_last_step(steps: int) -> None:
    marks = Schedule(steps=steps).marks
    assert max(marks) == steps
    assert min(marks) >= 1
    assert len(marks) == min(steps, 20)


def test_no_global_randomness(experiment: Experiment) -> None:
    before = torch.random.get_rng_state()
    run(experiment, "Adam", 0.01, steps=2)
    assert torch.equal(before, torch.random.get_rng_state())
