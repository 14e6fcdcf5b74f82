"""What surrounds a part and may not reach its answer, or be reached by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import state as part_state
from verification.bench import Setting
from verification.compare import holds

SETTINGS = {
    "the closure's loss": Setting(loss=torch.tensor(2.5)),
    "k as a tensor": Setting(counted=True),
    "vectors which are rows of a larger tensor": Setting(strided=True),
    "another default dtype": Setting(),
}
"""What is changed -> how a bench is then set."""
EVERYTHING = Setting(loss=torch.tensor(2.5), counted=True, strided=True)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """torch's default dtype inside the block."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(kept)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Raise AssertionError if the block leaves torch's random numbers, its modes or its default dtype changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(16_180_339)  # nobody else's: a part that seeds is seen each time
        rng, modes = torch.get_rng_state(), _modes()
        yield
        holds(torch.equal(torch.get_rng_state(), rng), "torch's global random numbers went on, or were seeded anew")
    holds(_modes() == modes, f"torch's modes were {modes} before the call, and are {_modes()} after it")


def _modes() -> dict[str, Any]:
    return {
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
    }


def ordinary(what: str, x: Tensor) -> None:
    """Raise AssertionError unless a later step may write into ``x``: no inference tensor, no part of a graph."""
    holds(not x.is_inference(), f"{what} is an inference tensor, into which no later step may write")
    holds(not x.requires_grad, f"{what} requires a gradient: it keeps the graph which made it")


def ordinary_state(state: Any) -> None:
    """The same for every field of a state."""
    for name, x in part_state.flatten({"state": state}).items():
        ordinary(name, x)


def as_on_meta(part: Any, space: Any, state: Any) -> None:
    """Raise AssertionError unless ``init`` on the meta device makes the fields of ``state``, with shapes and dtypes.

    So the optimizer learns how large the state is, and a saved state is known to fit.
    """
    own, meta = (part_state.flatten({"state": x}) for x in (state, part.init(space)))
    shapes = [{name: (tuple(x.shape), x.dtype) for name, x in fields.items()} for fields in (own, meta)]
    holds(shapes[0] == shapes[1], f"the state is {shapes[0]}, and was {shapes[1]} when init made it on the meta device")
