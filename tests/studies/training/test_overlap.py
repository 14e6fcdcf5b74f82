"""Mini-batches that overlap: how much, with whom, and what stays as it was."""

import pytest
import torch

from studies.planning.experiment import Experiment
from studies.tasks import Batch
from studies.training import feed, loop
from studies.training.overlap import chained_, shared
from studies.variants.names import known_variants


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("size", "count"), [(50, 10), (7, 1), (1, 1)])
@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_a_batch_begins_with_the_end_of_the_one_before(size: int, count: int, at_once: int) -> None:
    draw = torch.Generator().manual_seed(0)
    plain = [tuple(torch.rand(2, size, 3, generator=draw) for _ in range(2)) for _ in range(4)]
    got, last = list[tuple[torch.Tensor, ...]](), None
    for begin in range(0, 4, at_once):
        drawn = tuple(torch.stack(parts) for parts in zip(*plain[begin : begin + at_once], strict=True))
        last = chained_(drawn, last)
        got += zip(*drawn, strict=True)
    assert same(got[0], plain[0])  # type: ignore[arg-type]
    for before, now, fresh in zip(got, got[1:], plain[1:], strict=False):
        assert shared(before)[0].shape[1] == count  # type: ignore[arg-type]
        assert same(tuple(x[:, :count] for x in now), shared(before))  # type: ignore[arg-type]
        assert same(tuple(x[:, count:] for x in now), tuple(x[:, count:] for x in fresh))  # type: ignore[arg-type]


def test_only_a_method_that_asks_for_overlaps_gets_them(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, asked = known_variants(50), set[str]()
    assert [name for name, variant in known.items() if variant.overlaps] == ["MULTIBATCH_LBFGS"]

    def spy(*given: object) -> object:
        asked.add(name)
        return chained_(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(feed, "chained_", spy)
    for name in ("MULTIBATCH_LBFGS", "SDLBFGS"):
        outcome = loop.train(
            known[name], 0.03, 3, task=experiment.task, architecture=experiment.architecture,
            schedule=loop.Schedule(steps=3),
        )  # fmt: skip
        assert (outcome.admitted or 0) + (outcome.skipped or 0) == 3
    assert asked == {"MULTIBATCH_LBFGS"}
