"""Parameters <-> one (R, n) vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import huge_pages, kernels


@dataclass(frozen=True)
class Space:
    """The space in which the algorithm works: ``runs`` vectors of ``size`` elements.

    ``dtype`` is float64 if any parameter is, else float32: half-precision models keep a float32 memory.
    ``blocks``: the sizes of the parameter tensors in their order; empty for one block.
    """

    runs: int
    size: int
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")
    blocks: tuple[int, ...] = ()

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

    Raises ``ValueError`` for complex parameters, several devices, or a first dimension other than R.
    """

    def __init__(self, parameters: Sequence[Tensor], runs: int) -> None:
        self.parameters = list(parameters)
        devices = {p.device for p in self.parameters}
        if len(devices) > 1:
            names = ", ".join(sorted(map(str, devices)))
            raise ValueError(
                f"The parameters lie on several devices ({names}); put the model on one, "
                "or use one optimizer per device."
            )
        for index, p in enumerate(self.parameters):
            if p.is_complex():
                raise ValueError(f"Parameter {index} is complex ({p.dtype}); optimize torch.view_as_real(p) instead.")
            if runs > 1 and (p.dim() == 0 or p.shape[0] != runs):
                raise ValueError(
                    f"Parameter {index} has shape {tuple(p.shape)} but runs={runs}: its first dimension "
                    f"counts the runs; stack the runs' parameters to ({runs}, ...) or pass runs=1."
                )
        self.sizes = [p.numel() // runs for p in self.parameters]
        double = any(p.dtype == torch.float64 for p in self.parameters)
        dtype = torch.float64 if double else torch.float32
        self.space = Space(runs, sum(self.sizes), dtype, next(iter(devices)), tuple(self.sizes))
        self._kept: list[tuple[Tensor, list[Tensor]]] = []
        self._shapes = [p.shape for p in self.parameters]

    def check_in_place(self) -> None:
        """Raise ``RuntimeError`` if the parameters changed device or size since the memory was made."""
        if any(p.shape != shape for p, shape in zip(self.parameters, self._shapes, strict=True)):
            self._kept = []  # of the same size perhaps, but the views are not
        for index, (p, size) in enumerate(zip(self.parameters, self.sizes, strict=True)):
            if p.device != self.space.device or p.numel() != size * self.space.runs:
                raise RuntimeError(
                    f"Parameter {index} is now {tuple(p.shape)} on {p.device} but the memory was made for "
                    f"{size} elements a run on {self.space.device}; save state_dict(), build the optimizer "
                    "anew after the change, and load it."
                )

    def keep_views(self, *flats: Tensor) -> None:
        """Make the views of these vectors once, for :meth:`views` to find; earlier ones are forgotten."""
        self._kept = []
        self._kept = [(flat, self.views(flat)) for flat in flats]
        self._shapes = [p.shape for p in self.parameters]

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

    def add_difference_(self, total: Tensor, reference: Tensor) -> None:
        """``total += parameters - reference``, vectors (R, n); exactly 0 is added to 0 where they are equal."""
        if forms := self._passing(total):
            forms.add_difference_(total, self.parameters, reference)
        else:
            torch._foreach_add_(self.views(total), self.parameters)
            total.sub_(reference)

    def descend_(self, total: Tensor, reference: Tensor, d: Tensor, rates: Sequence[float]) -> bool:
        """:meth:`add_difference_`, then ``parameters -= rates d``, a rate each, in one pass where kernels are in use.

        Returns whether it was done. A parameter of rate 0 keeps every bit.
        """
        forms = self._passing(total) if d.is_contiguous() and d.dtype == total.dtype else None
        if forms:
            forms.add_difference_(total, self.parameters, reference, d, rates)
        return forms is not None

    def _passing(self, total: Tensor) -> ModuleType | None:
        """The kernels which work on the parameters beside this vector."""
        plain = all(p.is_contiguous() and p.dtype == total.dtype for p in self.parameters)
        return kernels.passing(total) if plain else None

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
