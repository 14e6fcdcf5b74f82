"""Mini-batches that overlap, for multi-batch L-BFGS."""

from torch import Tensor

from studies.tasks import Batch

SHARE = 5
"""One in so many sequences of a batch is the last one's too."""


def chained_(drawn: tuple[Tensor, ...], last: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    """Let batches (steps, R, B, ...) begin with the end of the one before, a fifth of it; return the last one.

    ``last`` (R, B, ...) came before the first, ``None`` where there was none. So S_k and S_(k+1) share the sequences
    that `shared` takes from S_k, a method sees as many sequences a step as the others do, and its first batch is that
    of the others.
    """
    for step in range(len(drawn[0])):
        batch = tuple(part[step] for part in drawn)
        if last is not None:
            for new, old in zip(batch, last, strict=True):
                count = _shared(old.shape[1])
                new[:, :count] = old[:, -count:].clone()
        last = batch
    assert last is not None  # at least one is drawn
    return tuple(part.clone() for part in last)


def shared(batch: Batch) -> Batch:
    """Return the sequences of a batch (R, B, ...) that the next one begins with: at least one, of both parts."""
    count = _shared(batch[0].shape[1])
    return batch[0][:, -count:], batch[1][:, -count:]


def _shared(size: int) -> int:
    return max(1, size // SHARE)
