"""Schedules of the learning rate: their shapes, and that every optimizer's rate follows them."""

import pytest
import torch
from torch import Tensor

from studies.errors import InputError
from studies.planning.experiment import Experiment
from studies.training.loop import train, train_many
from studies.training.rates import Rates
from studies.training.schedule import Decay, Schedule
from studies.variants.names import known_variants


@pytest.mark.parametrize("decay", [None, "linear", "cosine"])
@pytest.mark.parametrize("warm_up", [0, 1, 7])
def test_a_rate_rises_in_the_warm_up_and_then_never_again(decay: Decay | None, warm_up: int) -> None:
    schedule = Schedule(steps=40, decay=decay, warm_up=warm_up)
    factors = [schedule.factor(step) for step in range(1, 41)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert factors[:warm_up] == sorted(set(factors[:warm_up]))
    assert factors[warm_up] == 1.0
    assert factors[warm_up:] == sorted(factors[warm_up:], reverse=True)
    # It would be zero at the step after the last one, and half-way it is a half.
    if decay is not None and warm_up == 0:
        assert schedule.factor(21) == pytest.approx(0.5)
        assert schedule.factor(41) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("wrong", [{"warm_up": -1}, {"warm_up": 40}, {"ema": 1.0}, {"ema": -0.1}, {"steps": 0}])
def test_a_schedule_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"give|must be"):
        Schedule(**{"steps": 40, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("variant", ["ADAQN", "Adam", "SGD", "AdamW"])
@pytest.mark.parametrize("given", [[0.1], [0.1, 0.2]])
def test_the_rates_of_every_step_are_the_given_ones_times_the_factor(variant: str, given: list[float]) -> None:
    schedule = Schedule(steps=10, decay="linear", warm_up=3)
    weights = [torch.zeros(len(given), 4, requires_grad=True)]
    monitor = {"monitor": lambda: torch.zeros(len(given))}
    optimizer = known_variants(50)[variant].build(weights, given, monitor)
    rates = Rates(optimizer, schedule)
    where = [w["lr"].data_ptr() for w in optimizer.param_groups if isinstance(w["lr"], Tensor)]
    for step in range(1, 11):
        rates.set(step)
        wanted = torch.tensor(given, dtype=torch.float64) * schedule.factor(step)
        for group in optimizer.param_groups:
            torch.testing.assert_close(torch.as_tensor(group["lr"], dtype=torch.float64).view(-1), wanted)
    assert where == [w["lr"].data_ptr() for w in optimizer.param_groups if isinstance(w["lr"], Tensor)]


def test_a_run_takes_the_steps_that_its_schedule_says(experiment: Experiment) -> None:
    # Two steps of gradient descent, the second at half the rate, against the same by hand.
    sgd, seed = known_variants(50)["SGD"], 3
    schedule = Schedule(steps=2, points=1, decay="linear", clip=1e9)
    model = experiment.architecture.build(experiment.task.shape, seed)
    batches = experiment.task.batches(seed)
    for rate in (0.5, 0.25):
        model.zero_grad()
        model.loss(next(batches)).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for p in model.parameters():
                p -= rate * p.grad  # type: ignore[operator]
    outcome = train(sgd, 0.5, seed, task=experiment.task, architecture=experiment.architecture, schedule=schedule)
    with torch.no_grad():
        assert outcome.test_loss == pytest.approx(float(model.loss(experiment.task.test)), rel=1e-6)


def test_averaged_weights_are_evaluated_beside_the_weights(experiment: Experiment) -> None:
    def losses(ema: float | None) -> tuple[float | None, ...]:
        schedule = Schedule(steps=20, points=2, ema=ema)
        adam = known_variants(50)["Adam"]
        (found,) = train_many(adam, [(0.01, 3)], task=experiment.task, architecture=experiment.architecture,
                              schedule=schedule)  # fmt: skip
        return found.validation_loss, found.test_loss, found.ema_validation_loss, found.ema_test_loss

    plain, last, average = losses(None), losses(0.0), losses(0.9)
    assert plain[2:] == (None, None)
    assert last == (*plain[:2], *plain[:2])  # without memory the average is the last weights
    assert average[:2] == plain[:2]  # it changes nothing of the run
    assert average[2:] != plain[:2]
