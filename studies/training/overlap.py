"""Mini-batches that overlap, for multi-batch L-BFGS."""

from collections.abc import Iterator

import torch

from studies.tasks import Batch

SHARE = 5
"""One in so many sequences of a batch is the last one's too."""


def overlapping(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches of the same size which begin with the end of the one before, a fifth of it.

    So S_k and S_(k+1) share the sequences that `shared` takes from S_k, a method sees as many sequences a step as the
    others do, and its first batch is theirs.
    """
    last = next(batches)
    yield last
    for batch in batches:
        pieces = zip(shared(last), batch, strict=True)
        last = tuple(torch.cat([old, new[len(old) :]]) for old, new in pieces)  # type: ignore[assignment]
        yield last


def shared(batch: Batch) -> Batch:
    """Return the sequences of a batch that the next one begins with: at least one, of both parts."""
    count = max(1, len(batch[0]) // SHARE)
    return batch[0][-count:], batch[1][-count:]
