"""Seeing the pairs of a live optimizer: QuasiNewton by its pair hook, torch.optim.LBFGS by its state after a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from adaqn_lab import QuasiNewton, two_loop
from adaqn_lab.protocols import Displacement, Verdict
from verification.roles import BadSubjectError


@dataclass(frozen=True)
class Tried:
    """A pair that was offered to the memory: ``s``, ``y`` (R, n); ``where`` (R,), the runs which made one.

    ``admitted`` (R,); ``w`` (R, n) is where B is taken: the end of s. ``step``: counted by the optimizer.
    """

    step: int
    s: Tensor
    y: Tensor
    w: Tensor
    where: Tensor
    admitted: Tensor


Callback = Callable[[Tried], None]


class Watched(Protocol):
    """An optimizer whose pairs can be seen."""

    name: str

    @property
    def parameters(self) -> list[Tensor]:
        """In the order of their segments in the vectors."""
        ...

    @property
    def maximize(self) -> bool:
        """Whether the optimizer ascends."""
        ...

    def watch(self, callback: Callback) -> RemovableHandle:
        """Call back for every new pair."""
        ...

    def apply(self, v: Tensor) -> Tensor:
        """H v as it is now, (R, n)."""
        ...


def watched(optimizer: Any) -> Watched:
    """The optimizer's adapter. Raises BadSubjectError for one which makes no pairs."""
    if isinstance(optimizer, QuasiNewton):
        return _QuasiNewton(optimizer)
    if isinstance(optimizer, torch.optim.LBFGS):
        return _TorchLBFGS(optimizer)
    raise BadSubjectError(
        f"audit: {type(optimizer).__name__} makes no curvature pairs; pass a QuasiNewton or a torch.optim.LBFGS."
    )


class _QuasiNewton:
    """adaqn_lab's."""

    name = "QuasiNewton"

    def __init__(self, optimizer: QuasiNewton) -> None:
        if optimizer.recipe.pairs is None:
            raise BadSubjectError("audit: the recipe has pairs=None, so there is nothing to look at; pass other pairs.")
        self._optimizer = optimizer

    @property
    def parameters(self) -> list[Tensor]:
        return [p for group in self._optimizer.param_groups for p in group["params"]]

    @property
    def maximize(self) -> bool:
        return bool(self._optimizer.param_groups[0]["maximize"])

    def watch(self, callback: Callback) -> RemovableHandle:
        def hook(optimizer: QuasiNewton, move: Displacement, y: Tensor, verdict: Verdict) -> None:
            steps = next(int(entry["step"]) for entry in optimizer.state.values() if entry)
            callback(Tried(steps, move.s, y, move.w_bar, move.where, verdict.admitted))

        try:
            return self._optimizer.register_pair_hook(hook)
        except RuntimeError as error:
            raise BadSubjectError(f"audit: {str(error)[0].lower()}{str(error)[1:]}") from error

    def apply(self, v: Tensor) -> Tensor:
        return self._optimizer.operator(v)


class _TorchLBFGS:
    """torch's own: the newest pair after each step, of the max_iter that it may have made; refused ones are not seen.

    s ended where the last move began, at w - t d.
    """

    name = "torch.optim.LBFGS"
    maximize = False

    def __init__(self, optimizer: torch.optim.LBFGS) -> None:
        self._optimizer = optimizer
        self._seen: Tensor | None = None

    @property
    def parameters(self) -> list[Tensor]:
        found: list[Tensor] = self._optimizer.param_groups[0]["params"]
        return found

    @property
    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = self._optimizer.state[self.parameters[0]]
        return found

    def watch(self, callback: Callback) -> RemovableHandle:
        def hook(*_: Any) -> None:
            state = self._state
            if state.get("old_stps") and state["old_stps"][-1] is not self._seen:
                self._seen = state["old_stps"][-1]
                callback(self._newest(state))

        return self._optimizer.register_step_post_hook(hook)

    def _newest(self, state: dict[str, Any]) -> Tried:
        s, y = state["old_stps"][-1][None], state["old_dirs"][-1][None]
        everyone = torch.ones(1, dtype=torch.bool, device=s.device)
        w = torch.cat([p.detach().reshape(-1) for p in self.parameters]) - state["t"] * state["d"]
        return Tried(int(state["n_iter"]), s.clone(), y.clone(), w[None], everyone, everyone)

    def apply(self, v: Tensor) -> Tensor:
        state = self._state
        if not state.get("old_stps"):
            return v.clone()
        S, Y = torch.stack(state["old_stps"]), torch.stack(state["old_dirs"])
        return two_loop(S, Y, v[0].to(S.dtype), lambda q: q * state["H_diag"])[None]
