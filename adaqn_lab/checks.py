"""Validation of hyper-parameters: one sentence with the value, the reason and the way out."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from adaqn_lab.space import Space


def require_int(owner: str, name: str, value: object, *, at_least: int) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless ``value`` is an int >= ``at_least``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{owner}: {name}={value!r} is not an integer; pass an int >= {at_least}.")
    if value < at_least:
        raise ValueError(f"{owner}: {name}={value} is too small; pass an int >= {at_least}.")


def require_real(
    owner: str,
    name: str,
    value: object,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> None:
    """Raise unless ``value`` is a finite number, >= ``at_least``, > ``above``, < ``below`` and <= ``at_most``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{owner}: {name}={value!r} is not a number; pass a float.")
    wanted = [
        text
        for text, bound in (
            (f">= {at_least:g}", at_least),
            (f"> {above:g}", above),
            (f"< {below:g}", below),
            (f"<= {at_most:g}", at_most),
        )
        if math.isfinite(bound)
    ]
    if not (math.isfinite(value) and value >= at_least and value > above and value < below and value <= at_most):
        asked = " ".join(["pass a finite number", " and ".join(wanted)]).strip()
        raise ValueError(f"{owner}: {name}={value!r} is out of range; {asked}.")


def require_bool(owner: str, name: str, value: object) -> None:
    """Raise ``TypeError`` unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{owner}: {name}={value!r} is not a bool; pass True or False.")


def require_storage(owner: str, dtype: object) -> None:
    """Raise ``TypeError`` unless ``dtype``, in which vectors are stored, is bfloat16 or None."""
    if dtype not in (None, torch.bfloat16):
        raise TypeError(f"{owner}: dtype={dtype!r} cannot store vectors; pass torch.bfloat16, or None for their own.")


def storable(g: Tensor, dtype: torch.dtype) -> Tensor:
    """A gradient whose square is finite, cut to the range of ``dtype``: an infinite row would be in every product."""
    largest = torch.finfo(dtype).max
    return g if torch.finfo(g.dtype).max ** 0.5 <= largest else g.clamp(-largest, largest)


def storage(space: Space, dtype: torch.dtype | None) -> torch.dtype:
    """The dtype in which a part stores vectors of the space."""
    return dtype or space.dtype
