"""Runs side by side have the outcomes that they have alone, whatever becomes of their neighbours."""

from collections.abc import Iterator

import pytest
import torch

from studies.errors import InputError
from studies.models import Architecture, BatchedModel, architecture
from studies.tasks import CharacterTask, Text, Windows
from studies.training.data import TrainingData
from studies.training.loop import train, train_many
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.variants.names import known_variants

RUNS = [(0.02, 3), (0.06, 3), (0.02, 4)]
TANH = architecture("rnn-tanh")
OTHERS = {
    "lstm": architecture("lstm"),
    "rnn-relu-3": architecture("rnn-relu-3"),
    "dropout": Architecture(unit="lstm", layers=2, hidden=12, dropout=0.3),
}


@pytest.fixture(scope="module")
def task(text: Text) -> CharacterTask:
    return CharacterTask(text, Windows(batch_size=10, length=12, held_out=40, monitor_batches=2))


def many(
    task: CharacterTask, variant: str, runs: list[tuple[float, int]], model: Architecture = TANH, steps: int = 45
) -> list[Outcome]:
    return train_many(
        known_variants(10)[variant],
        runs,
        task=task,
        architecture=model,
        schedule=Schedule(steps=steps, points=5),
    )


def alone(
    task: CharacterTask, variant: str, run: tuple[float, int], model: Architecture = TANH, steps: int = 45
) -> Outcome:
    return train(
        known_variants(10)[variant],
        *run,
        task=task,
        architecture=model,
        schedule=Schedule(steps=steps, points=5),
    )


@pytest.fixture
def double() -> Iterator[None]:
    """Models in float64: training multiplies a rounding by a thousand and more, and float32's would then show."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_alike(found: Outcome, wanted: Outcome, rel: float) -> None:
    assert [point.loss for point in found.curve] == pytest.approx([point.loss for point in wanted.curve], rel=rel)
    assert found.test_loss == pytest.approx(wanted.test_loss, rel=rel)
    assert (found.steps, found.diverged) == (wanted.steps, wanted.diverged)
    assert (found.admitted, found.skipped) == (wanted.admitted, wanted.skipped)
    assert (found.rollbacks, found.steps_skipped) == (wanted.rollbacks, wanted.steps_skipped)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    "variant",
    ["ADAQN", "ADAQN_RESCALED", "SDLBFGS", "ADAQN_GAUSS_NEWTON", "SQN_BY_DIFFERENCE", "MULTIBATCH_LBFGS",
     "Adam", "AdaGrad", "RMSProp", "SGD-Nesterov", "AdamW", "Muon", "Shampoo", "SOAP", "K-FAC", "Hessian-free"],
)  # fmt: skip
def test_together_as_alone(task: CharacterTask, variant: str) -> None:
    # At the others' rates these two start with steps so long that rounding decides where they land.
    runs = [(lr / 10 if variant in ("RMSProp", "Shampoo") else lr, seed) for lr, seed in RUNS]
    steps = 6 if variant == "Hessian-free" else 45  # its steps cost 40 gradients each
    for found, run in zip(many(task, variant, runs, steps=steps), runs, strict=True):
        assert_alike(found, alone(task, variant, run, steps=steps), rel=1e-7)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("model", OTHERS)
def test_together_as_alone_on_other_models(task: CharacterTask, model: str) -> None:
    for found, run in zip(many(task, "ADAQN", RUNS, OTHERS[model]), RUNS, strict=True):
        assert_alike(found, alone(task, "ADAQN", run, OTHERS[model]), rel=1e-7)


@pytest.mark.usefixtures("double")
def test_together_as_alone_with_carried_states(text: Text) -> None:
    carried = CharacterTask(text, Windows(batch_size=10, length=12, held_out=40, carried=True))
    for found, run in zip(many(carried, "ADAQN", RUNS), RUNS, strict=True):
        assert_alike(found, alone(carried, "ADAQN", run), rel=1e-7)


@pytest.mark.parametrize("carried", [False, True])
def test_a_step_starts_where_the_last_one_ended_if_states_are_carried(text: Text, carried: bool) -> None:
    task = CharacterTask(text, Windows(batch_size=4, length=6, held_out=4, carried=carried))
    model = BatchedModel(TANH, [TANH.build(task.shape, seed) for seed in (0, 1)])
    present = TrainingData(model, task, (0, 1))
    present.prepare()
    present.advance()
    present.step_losses()
    first = present._batch
    present.prepare()
    present.advance()
    second, losses = present._batch, present.step_losses()
    assert first is not None
    assert second is not None
    both = torch.cat((first[0], second[0]), dim=2)
    outputs, _ = model.outputs(both, None, twice=False, dropout=())
    read_on = task.shape.objective(outputs[:, 6:], second[1])
    assert torch.allclose(losses, read_on) is carried
    torch.testing.assert_close(present.loss(), losses)  # what a recipe asks about is what the step saw


@pytest.mark.parametrize("variant", ["ADAQN", "Adam"])
def test_together_as_alone_to_the_rounding_of_float32(task: CharacterTask, variant: str) -> None:
    # 45 steps amplify a rounding of 1e-7; a wrong rate or batch moves the loss by percents.
    for found, run in zip(many(task, variant, RUNS), RUNS, strict=True):
        assert_alike(found, alone(task, variant, run), rel=1e-3)


@pytest.mark.parametrize("variant", ["ADAQN", "SGD-Nesterov", "AdaGrad"])
def test_a_diverging_run_harms_no_neighbour(task: CharacterTask, variant: str) -> None:
    runs = [RUNS[0], (1e30, 3), RUNS[2]]
    first, second, third = many(task, variant, runs)
    assert second.diverged
    assert second.steps < 45
    assert second.validation_loss is second.test_loss is None
    calm = many(task, variant, RUNS)
    for found, wanted in ((first, calm[0]), (third, calm[2])):
        assert [point.loss for point in found.curve] == [point.loss for point in wanted.curve]  # bit for bit
        assert (found.test_loss, found.admitted) == (wanted.test_loss, wanted.admitted)


def test_sequences_that_come_twice_carry_no_state(text: Text) -> None:
    carried = CharacterTask(text, Windows(batch_size=10, length=12, held_out=40, carried=True))
    with pytest.raises(InputError, match="cannot carry states"):
        many(carried, "MULTIBATCH_LBFGS", RUNS[:1])


def test_seconds_are_shared_evenly(task: CharacterTask) -> None:
    outcomes = many(task, "Adam", RUNS)
    assert len({outcome.seconds for outcome in outcomes}) == 1
    assert outcomes[0].seconds > 0
