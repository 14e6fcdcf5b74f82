"""Parameters <-> one (R, n) vector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import huge_pages
from adaqn_lab.operators import OPS


@dataclass(frozen=True)
class Space:
    """The space in which the algorithm works: ``runs`` vectors of ``size`` elements.

    ``dtype`` is float64 if any parameter is, else float32: half-precision models keep a float32 memory.
    ``shapes``: those of one run's parameter tensors, in the order of their segments in the vectors; empty if the
    parameters are one vector. Raises ``ValueError`` if they have not ``size`` elements together.
    """

    runs: int
    size: int
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")
    shapes: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.shapes and sum(self.sizes) != self.size:
            raise ValueError(
                f"Space: shapes={self.shapes} have {sum(self.sizes)} elements; pass size={sum(self.sizes)}."
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the parameter tensors of one run."""
        return tuple(math.prod(shape) for shape in self.shapes)

    def zeros(self, *middle: int, dtype: torch.dtype | None = None) -> Tensor:
        """Zeros of shape (R, *middle, n) in ``dtype``, by default the space's."""
        return huge_pages.zeros((self.runs, *middle, self.size), dtype or self.dtype, self.device)

    def scalars(self, *inner: int, fill: float = 0.0) -> Tensor:
        """A float64 tensor (R, *inner): the scalars of the algorithm, whatever the vectors' dtype."""
        return torch.full((self.runs, *inner), fill, dtype=torch.float64, device=self.device)

    def counts(self) -> Tensor:
        """Zeros (R,) int64."""
        return torch.zeros(self.runs, dtype=torch.int64, device=self.device)

    def mask(self, fill: bool) -> Tensor:
        """A boolean mask (R,)."""
        return torch.full((self.runs,), fill, dtype=torch.bool, device=self.device)


class FlatParameters:
    """Gathers parameters and gradients into (R, n) vectors and scatters them back; aliases neither.

    With ``runs = R > 1`` the first dimension of every parameter counts the runs. The segments of the
    vector follow the order of ``parameters``. A gather or scatter costs one pass over the vector.

    Raises ``ValueError`` in one sentence for parameters which :func:`adaqn_lab.arguments.check_parameters` refuses.
    """

    def __init__(self, parameters: Sequence[Tensor], runs: int) -> None:
        self.parameters = list(parameters)
        self.sizes = [p.numel() // runs for p in self.parameters]
        double = any(p.dtype == torch.float64 for p in self.parameters)
        dtype = torch.float64 if double else torch.float32
        shapes = tuple(tuple(p.shape[1:] if runs > 1 else p.shape) for p in self.parameters)
        self.space = Space(runs, sum(self.sizes), dtype, self.parameters[0].device, shapes)
        self._kept: list[tuple[Tensor, list[Tensor]]] = []
        self._shapes = [p.shape for p in self.parameters]

    def check_in_place(self, parameters: Sequence[Tensor]) -> None:
        """Raise ``RuntimeError`` if these are not the parameters for which the memory was made, as they were then."""
        if list(map(id, parameters)) != list(map(id, self.parameters)):
            raise RuntimeError(
                f"The groups hold other parameters than at the first step ({len(parameters)} now, "
                f"{len(self.parameters)} then), and the memory is of those; put them back in their order, or build a "
                "new optimizer."
            )
        for index, (p, shape) in enumerate(zip(self.parameters, self._shapes, strict=True)):
            if p.device != self.space.device or p.shape != shape:
                way_out = (
                    "build a new optimizer after the change"
                    if p.shape != shape
                    else "save state_dict(), build the optimizer anew after the change, and load it"
                )
                raise RuntimeError(
                    f"Parameter {index} is now {tuple(p.shape)} on {p.device} but the memory was made for "
                    f"{tuple(shape)} on {self.space.device}; {way_out}."
                )

    def keep_views(self, *flats: Tensor) -> None:
        """Make the views of these vectors once, for :meth:`views` to find; earlier ones are forgotten."""
        self._kept = []
        self._kept = [(flat, self.views(flat)) for flat in flats]

    def __getstate__(self) -> dict[str, Any]:
        """Without the views: a pickle would make them vectors of their own."""
        return self.__dict__ | {"_kept": []}

    def views(self, flat: Tensor) -> list[Tensor]:
        """The segments of ``flat`` (R, n), each viewed in its parameter's shape."""
        for kept, views in self._kept:
            if kept is flat:
                return views
        segments = torch.split(flat, self.sizes, dim=1)
        return [v.view(p.shape) for v, p in zip(segments, self.parameters, strict=True)]

    def gather_(self, out: Tensor) -> Tensor:
        """Copy the parameters into ``out`` (R, n)."""
        torch._foreach_copy_(self.views(out), [p.detach() for p in self.parameters])
        return out

    def gather(self) -> Tensor:
        """The parameters as a fresh (R, n) vector."""
        return self.gather_(self.space.zeros())

    def descend_(self, total: Tensor, reference: Tensor, d: Tensor | None = None, rates: Sequence[float] = ()) -> None:
        """``total += parameters - reference``; then, with d, ``parameters -= rates d``, a rate each. Vectors (R, n).

        A parameter of rate 0 keeps every bit, and exactly 0 is added to 0 where it equals its reference.
        """
        steps = [] if d is None else self.views(d)
        OPS.descend_(self.views(total), self.parameters, self.views(reference), steps, rates)

    def scatter(self, flat: Tensor, where: Tensor) -> None:
        """Write ``flat`` (R, n) into the parameters of the runs in ``where`` (R,); the others keep every bit."""
        for p, v in zip(self.parameters, self.views(flat), strict=True):
            p.copy_(torch.where(per_run(where, p), v.to(p.dtype), p))

    @contextmanager
    def at(self, w: Tensor) -> Iterator[None]:
        """The parameters hold ``w`` inside the block and their old bits after it, whatever is raised."""
        with torch.no_grad():
            kept = [p.detach().clone() for p in self.parameters]
        try:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, self.views(w))
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, kept)


def per_run(scalar: Tensor, like: Tensor) -> Tensor:
    """View an (R,) tensor so that it broadcasts over ``like`` (R, ...); a single run's over any shape."""
    return scalar.view(()) if scalar.numel() == 1 else scalar.view(-1, *(1,) * (like.dim() - 1))
