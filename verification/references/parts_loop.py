"""The textbook's loop around anybody's parts: each is called directly, as adaqn_lab.protocols says.

Written from the protocol and the equations, with a list of iterates and plain masks; nothing is shared with the
optimizer. Source: Keskar & Berahas 2016 and Byrd, Hansen, Nocedal & Singer 2016 for the two clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Displacement, EventKind, Pair, Recipe, Space, Step, Verdict

SCALARS = ("s_y", "s_s", "y_y", "loss", "reference")
"""The numbers which an event tells."""

ROUNDING = 2.0**-40
"""Of w: far above its rounding, and below any step."""


@dataclass(frozen=True)
class Given:
    """What a step is given: the gradient ``g`` (R, n), weight decay added; ``rate`` (R, n), 0 where nothing moves;
    ``loss``, the closure's value, with the sign of what descends.
    """

    g: Tensor
    rate: Tensor
    loss: Any = None


@dataclass(frozen=True)
class Told:
    """One event of one run; NaN where a scalar does not apply."""

    step: int
    run: int
    kind: str
    scalars: tuple[float, ...] = (float("nan"),) * len(SCALARS)


@dataclass
class Found:
    """``w`` (R, n) after each step, roll-backs included; the events; H of a vector of ones after the last step.

    ``still``: (step, run) of the windows whose s is no more than rounding: what is made of it is chance.
    """

    w: list[Tensor] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    product: Tensor | None = None
    still: list[tuple[int, int]] = field(default_factory=list)


def _finite(v: Tensor) -> Tensor:
    """Whether |v|^2 is finite, by run."""
    return torch.isfinite(v.square().sum(1))


def _pick(where: Tensor, a: Tensor | float, b: Tensor) -> Tensor:
    """Rows of ``a`` in ``where``, of ``b`` elsewhere."""
    return torch.where(where.unsqueeze(1), a, b)


@dataclass(frozen=True)
class _H:
    """H as a stepper or a memory sees it."""

    recipe: Recipe
    states: dict[str, Any]

    def _h0(self) -> Any:
        return self.recipe.scaling.h0(self.states["scaling"], self.states["memory"])

    def apply_(self, v: Tensor) -> Tensor:
        """H v."""
        if self.recipe.pairs is None:
            h0_v: Tensor = self._h0().apply_(v)
            return h0_v
        return self.recipe.memory.apply_(self.states["memory"], v, self._h0())

    def __call__(self, v: Tensor) -> Tensor:
        """H v, fresh."""
        return self.apply_(v.clone())

    def inverse(self, v: Tensor) -> Tensor:
        """B v."""
        if self.recipe.pairs is None:
            b_v: Tensor = self._h0().solve_(v.clone())
            return b_v
        return self.recipe.memory.solve_(self.states["memory"], v.clone(), self._h0())


class Loop:
    """A recipe's parts on ``start`` (R, n), one step at a time; ``oracle`` answers what they ask."""

    def __init__(self, recipe: Recipe, space: Space, start: Tensor, oracle: Any) -> None:
        self.recipe, self.space, self.oracle, self.w = recipe, space, oracle, start.clone()
        self.states = {role: part.init(space) for role, part in recipe.parts.items()}
        self.H = _H(recipe, self.states)
        self.w_ref, self.anchored = start.clone(), space.mask(recipe.cadence.from_start)
        self.window: list[Tensor] = []
        self.k, self.found = 0, Found()
        if recipe.guard is not None and recipe.cadence.from_start:
            at_start = Displacement(start.clone(), start.clone(), start.clone(), space.mask(False))
            recipe.guard.judge_(self.states["guard"], at_start, oracle)
            recipe.guard.advance_(self.states["guard"], space.mask(True))

    def step(self, given: Given) -> None:
        """w <- w - rate d; at a window's end decide."""
        recipe, states, cadence = self.recipe, self.states, self.recipe.cadence
        place, self.k = self.k % cadence.every, self.k + 1
        usable, last = _finite(given.g), place + 1 == cadence.every
        g = _pick(usable, given.g, torch.zeros_like(given.g))
        step = Step(self.k, g, usable, self.w.clone, given.loss, place, last)
        if recipe.pairs is not None:
            recipe.pairs.observe_(states["pairs"], step)
        recipe.scaling.observe_(states["scaling"], step)
        d = recipe.stepper.direction_(states["stepper"], step, self.H)
        sound = _finite(d)
        recipe.memory.reset_(states["memory"], usable & ~sound)
        self._skip(usable & sound)
        before = self.w
        self.w = _pick(usable & sound, self.w - given.rate * d, self.w)
        self.window.append((self.w if cadence.after_step else before).clone())
        if last:
            self._decide()
        self.found.w.append(self.w.clone())

    def _skip(self, moved: Tensor) -> None:
        kind = EventKind.STEP_SKIPPED.name
        self.found.events += [Told(self.k, run, kind) for run, fine in enumerate(moved.tolist()) if not fine]

    def _decide(self) -> None:
        """s, keep or not, y, admit or not, and where the reference goes."""
        recipe, states = self.recipe, self.states
        s = torch.stack([w - self.w_ref for w in self.window]).mean(0)
        w_bar, self.window = self.w_ref + s, []
        rounding = s.abs().amax(1) <= ROUNDING * self.w_ref.abs().amax(1)
        self.found.still += [(self.k, run) for run, nothing in enumerate(rounding.tolist()) if nothing]
        keep = _finite(w_bar)
        move = Displacement(s, w_bar, self.w_ref.clone(), self.anchored & keep)
        if recipe.guard is not None:
            keep = keep & recipe.guard.judge_(states["guard"], move, self.oracle)
        verdict = self._pair(replace(move, where=self.anchored & keep))
        tried = self.anchored & torch.tensor(recipe.pairs is not None)
        advance = keep & (verdict.admitted | ~tried | recipe.cadence.always_advance)
        self._tell(keep, tried, verdict)
        self._roll_back(~keep)
        if recipe.guard is not None:
            recipe.guard.advance_(states["guard"], advance)
        recipe.stepper.advance_(states["stepper"], advance)
        self.w_ref = _pick(advance, w_bar, self.w_ref)
        self.anchored = self.anchored | advance

    def _pair(self, move: Displacement) -> Verdict:
        recipe, states = self.recipe, self.states
        if recipe.pairs is None:
            nothing = self.space.scalars(fill=float("nan"))
            return Verdict(self.space.mask(False), nothing, nothing, nothing)
        made = recipe.pairs.pair_(states["pairs"], move, self.oracle)
        if not isinstance(made, Pair):
            return recipe.memory.admit_(states["memory"], move, made, self.H)
        if made.renews:
            recipe.memory.reset_(states["memory"], move.where)
        S, Y = (x if x.dim() == 3 else x.unsqueeze(1) for x in (made.s, made.y))
        admitted = self.space.mask(False)
        for i in range(S.shape[1]):
            own = replace(move, s=S[:, i].clone())
            verdict = recipe.memory.admit_(states["memory"], own, Y[:, i].clone(), self.H)
            admitted = admitted | verdict.admitted
        return replace(verdict, admitted=admitted)

    def _tell(self, keep: Tensor, tried: Tensor, verdict: Verdict) -> None:
        guard = self.states.get("guard")
        unknown = self.space.scalars(fill=float("nan"))
        losses = (unknown, unknown) if guard is None else (guard.loss, guard.reference)
        columns = torch.stack([x.double() for x in (verdict.s_y, verdict.s_s, verdict.y_y, *losses)], 1).tolist()
        for run, row in enumerate(columns):
            kind = EventKind.ADMITTED if verdict.admitted[run] else EventKind.SKIPPED
            kind = kind if tried[run] else EventKind.REFERENCE
            kind = kind if keep[run] else EventKind.ROLLED_BACK
            self.found.events.append(Told(self.k, run, kind.name, tuple(row)))

    def _roll_back(self, where: Tensor) -> None:
        recipe, states = self.recipe, self.states
        self.w = _pick(where, self.w_ref, self.w)
        recipe.memory.reset_(states["memory"], where)
        recipe.stepper.rollback_(states["stepper"], where)
        if recipe.pairs is not None and (recipe.guard is None or recipe.guard.clear_store):
            recipe.pairs.reset_(states["pairs"], where)


def trajectory(
    recipe: Recipe,
    space: Space,
    start: Tensor,
    oracle: Any,
    given: Callable[[int, Tensor], Given],
    steps: int,
    blur: Callable[[Tensor], Tensor] = lambda x: x,
) -> Found:
    """``steps`` steps from ``start`` (R, n); ``given(k, w)`` is what step k = 1, 2, ... gets at ``w``.

    ``blur`` changes the parameters after every step: to learn how much what rounds matters.
    """
    loop = Loop(recipe, space, blur(start), oracle)
    for k in range(1, steps + 1):
        oracle.now = k
        loop.step(given(k, loop.w.clone()))
        loop.w = blur(loop.w)
    loop.found.product = loop.H(torch.ones_like(start))
    return loop.found
