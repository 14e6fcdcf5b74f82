"""Training side by side gives what one by one gives, and stops between two steps."""

import pytest

from studies.convex.methods import choose_methods
from studies.convex.problem import breast_cancer
from studies.convex.training import Samples, train
from studies.training.loop import Cancelled


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


@pytest.mark.parametrize("name", ["SQN", "SGD"])
def test_stops_between_two_steps_when_cancelled(name: str) -> None:
    (method,) = choose_methods((name,), 32)
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        train(
            method, [(0.01, 1)], problem=breast_cancer(), floor=0.0664, epochs=3, samples=Samples.of(32, 569),
            cancelled=lambda: next(asked),
        )  # fmt: skip
    assert list(asked) == []
