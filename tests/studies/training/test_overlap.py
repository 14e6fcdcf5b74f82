"""Mini-batches that overlap: how much, with whom, and what stays as it was."""

from collections.abc import Iterator

import pytest
import torch

from studies.planning.experiment import Experiment
from studies.tasks import Batch
from studies.training import data, loop
from studies.training.overlap import overlapping, shared
from studies.variants.names import known_variants


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("size", "count"), [(50, 10), (7, 1), (1, 1)])
def test_a_batch_begins_with_the_end_of_the_one_before(size: int, count: int) -> None:
    draw = torch.Generator().manual_seed(0)
    plain = [(torch.rand(size, 3, generator=draw), torch.rand(size, 3, generator=draw)) for _ in range(4)]
    got = list(overlapping(iter(plain)))
    assert same(got[0], plain[0])
    for before, now, fresh in zip(got, got[1:], plain[1:], strict=False):
        assert len(shared(before)[0]) == count
        assert same(tuple(x[:count] for x in now), shared(before))
        assert same(tuple(x[count:] for x in now), tuple(x[count:] for x in fresh))


def test_only_a_method_that_asks_for_overlaps_gets_them(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, asked = known_variants(50), list[str]()
    assert [name for name, variant in known.items() if variant.overlaps] == ["MULTIBATCH_LBFGS"]

    def spy(batches: Iterator[Batch]) -> Iterator[Batch]:
        asked.append(name)
        return overlapping(batches)

    monkeypatch.setattr(data, "overlapping", spy)
    for name in ("MULTIBATCH_LBFGS", "SDLBFGS"):
        outcome = loop.train(
            known[name], 0.03, 3, task=experiment.task, architecture=experiment.architecture,
            schedule=loop.Schedule(steps=3),
        )  # fmt: skip
        assert (outcome.admitted or 0) + (outcome.skipped or 0) == 3
    assert asked == ["MULTIBATCH_LBFGS"]
