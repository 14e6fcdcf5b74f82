"""A study that tunes fields: killed and continued it is an undisturbed one; runs side by side have their own fields."""

import os
import random
from pathlib import Path

import pytest

from studies.analysis.summary import summarise
from studies.execution.store import Store
from studies.planning.budget import Budget
from studies.planning.course import Course, Sizes
from studies.planning.experiment import Experiment
from studies.tasks import Text
from tests.studies.execution.rows import losses
from tests.studies.execution.test_run_kills import do, killed


@pytest.fixture(scope="module")
def small(text: Text) -> Experiment:
    return Experiment(
        text=text, model="rnn-tanh", budget=Budget(steps=12, rates=2, tuning_seeds=1, seeds=2, rounds=1),
        variants=("ADAQN", "Adam", "AdaGrad"), tune=("momentum", "decay", "beta1"), draws=2,
        sizes=Sizes(hidden=8, length=8, batch_size=5), course=Course(schedule="linear", warm_up=2, ema=0.9),
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Store:
    out = tmp_path_factory.mktemp("undisturbed")
    do(small, out)
    return Store(out)


def test_kills_change_no_bit(small: Experiment, undisturbed: Store, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    draw, kills = random.Random(seed), 0
    while kills < 6 and killed(small, tmp_path, draw.uniform(0.05, 0.4)):
        kills += 1
    do(small, tmp_path)
    assert losses(Store(tmp_path)) == losses(undisturbed), f"by {seed}"
    rows = [
        tuple((row.variant, row.lr, row.fields, row.loss, row.ema_test_loss, row.test) for row in summarise(store).rows)
        for store in (Store(tmp_path), undisturbed)
    ]
    assert rows[0] == rows[1]
    assert all(row.ema_test_loss is not None for row in summarise(undisturbed).rows)


def test_as_many_runs_for_every_variant(small: Experiment, undisturbed: Store) -> None:
    counts = dict.fromkeys(small.chosen, 0)
    for record in undisturbed.records():
        counts[record.cell.variant] += 1
    assert set(counts.values()) == {2 * 2 + 2 + 2}


def test_runs_side_by_side_have_their_own_fields(small: Experiment, undisturbed: Store, tmp_path: Path) -> None:
    do(small, tmp_path, at_once=4)
    alone = losses(undisturbed)
    for record in Store(tmp_path).records():
        assert record.method == repr(small.chosen[record.cell.variant].with_fields(record.cell.fields).method)
        if record.cell.key in alone:
            assert record.outcome.diverged is alone[record.cell.key].diverged
            assert (record.outcome.test_loss or 0.0) == pytest.approx(alone[record.cell.key].test_loss or 0.0, rel=1e-3)
