"""The algorithm on vectors: the fast clock (every step) and the slow clock (every window), nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import linalg, plain
from adaqn_lab.events import EventKind, Log
from adaqn_lab.operator import InverseHessian
from adaqn_lab.oracle import Oracle
from adaqn_lab.protocols import Displacement, Pair, Step, Verdict
from adaqn_lab.recipe import Recipe
from adaqn_lab.space import FlatParameters


@dataclass
class Clock:
    """The algorithm's own tensors: ``reference`` w_ref and ``total``, the window's sum of w - w_ref, (R, n);
    ``anchored`` (R,), whether w_ref is an average (or, if the cadence says so, the initial point);
    ``marks`` (R, L, 2) bool, whether each step's gradient and its direction were finite.
    """

    reference: Tensor
    total: Tensor
    anchored: Tensor
    marks: Tensor


@dataclass
class Algorithm:
    """A recipe at work on some parameters.

    ``states``: by role, and "clock"; ``vector`` (R, n): the gradient, then the direction, at a window's end the
    average, and no state; ``k``: the steps made. ``undecided``: the last window is closed, ``clock.total`` holds its
    s, but a callable raised before it was decided. ``tried``: copies of the pairs which this step offered
    to the memory, with its verdicts; None where nobody asks for them.
    """

    recipe: Recipe
    flat: FlatParameters
    oracle: Oracle
    states: dict[str, Any]
    vector: Tensor
    operator: InverseHessian
    log: Log = field(default_factory=Log)
    k: int = 0
    undecided: bool = False
    tried: list[tuple[Displacement, Tensor, Verdict]] | None = None

    @classmethod
    def begin(cls, recipe: Recipe, flat: FlatParameters, oracle: Oracle) -> Algorithm:
        """The state before the first step; the parameters are not read."""
        space = flat.space
        states: dict[str, Any] = {role: part.init(space) for role, part in recipe.parts.items()}
        marks = torch.ones(space.runs, recipe.cadence.every, 2, dtype=torch.bool, device=space.device)
        states["clock"] = Clock(space.zeros(), space.zeros(), space.mask(recipe.cadence.from_start), marks)
        operator = InverseHessian(recipe.scaling, recipe.memory, states, recipe.pairs is None)
        made = cls(recipe, flat, oracle, states, space.zeros(), operator)
        made.keep_views()
        return made

    @property
    def clock(self) -> Clock:
        """The algorithm's own tensors."""
        clock: Clock = self.states["clock"]
        return clock

    def keep_views(self) -> None:
        """Make the views which every step uses once."""
        self.flat.keep_views(self.vector, self.clock.total, self.clock.reference)

    def start(self) -> None:
        """The initial point is the place to go back to until there is an average."""
        self.flat.gather_(self.clock.reference)
        guard = self.recipe.guard
        if self.recipe.cadence.from_start and guard is not None:
            w, nobody = self.clock.reference, self.flat.space.mask(False)
            guard.judge_(self.states["guard"], Displacement(w, w, w, nobody), self.oracle)
            guard.advance_(self.states["guard"], self.flat.space.mask(True))

    # -- the fast clock -----------------------------------------------------------------------------------

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        """Show the gradient in ``vector`` to the parts; return step k's direction, zero for runs which do not move."""
        recipe, states, g = self.recipe, self.states, self.vector
        place = self.k % recipe.cadence.every
        finite = linalg.keep_finite_(g)
        step = Step(k, g, finite, self.flat.gather, loss, place, place + 1 == recipe.cadence.every)
        if recipe.pairs is not None:
            recipe.pairs.observe_(states["pairs"], step)
        recipe.scaling.observe_(states["scaling"], step)
        d = recipe.stepper.direction_(states["stepper"], step, self.operator)
        sound = linalg.keep_finite_(d, finite)
        recipe.memory.reset_(states["memory"], finite & ~sound)
        torch.stack((finite, sound), dim=1, out=self.clock.marks[:, place])
        return d

    def end_step(self) -> None:
        """Count the step; at the window's end close it and decide."""
        self.k += 1
        if self.k % self.recipe.cadence.every == 0:
            self.log.open_window(self.k, self.clock.marks.clone())
            self.clock.total.div_(self.recipe.cadence.every)  # the sum becomes s: a window needs no vectors of its own
            self.undecided = True
            self.decide()

    # -- the slow clock -----------------------------------------------------------------------------------

    def decide(self) -> Tensor:
        """Judge the closed window, make a pair, admit it, move the reference or go back to it, record.

        Returns which runs were rolled back. If a callable raises, nothing is decided and it can be called again.
        """
        recipe, states, clock = self.recipe, self.states, self.clock
        s = clock.total
        w_bar = torch.add(clock.reference, s, out=self.vector)
        keep = plain.all_finite(w_bar)
        move = Displacement(s, w_bar, clock.reference, clock.anchored & keep)
        if recipe.guard is not None:
            keep = keep & recipe.guard.judge_(states["guard"], move, self.oracle)
        verdict = self._pair(move, clock.anchored & keep)
        tried = clock.anchored if recipe.pairs is not None else torch.zeros_like(clock.anchored)
        advance = keep & (verdict.admitted | ~tried | recipe.cadence.always_advance)
        kind = torch.where(verdict.admitted, EventKind.ADMITTED, EventKind.SKIPPED)
        kind = torch.where(tried, kind, EventKind.REFERENCE)
        kind = torch.where(keep, kind, EventKind.ROLLED_BACK)
        self._record(kind, verdict)
        self._roll_back(~keep)
        if recipe.guard is not None:
            recipe.guard.advance_(states["guard"], advance)
        recipe.stepper.advance_(states["stepper"], advance)
        linalg.assign_(clock.reference, w_bar, advance)
        clock.anchored = clock.anchored | advance
        clock.total.zero_()
        self.undecided = False
        return ~keep

    def _pair(self, move: Displacement, where: Tensor) -> Verdict:
        """Make a pair for every run and admit those of the runs in ``where``."""
        recipe, states = self.recipe, self.states
        if recipe.pairs is None:
            nothing = torch.full_like(where, torch.nan, dtype=torch.float64)
            return Verdict(torch.zeros_like(where), nothing, nothing, nothing)
        tried = Displacement(move.s, move.w_bar, move.w_ref, where)
        made = recipe.pairs.pair_(states["pairs"], tried, self.oracle)
        return self._admit_all(tried, made) if isinstance(made, Pair) else self._admit(tried, made)

    def _admit(self, move: Displacement, y: Tensor) -> Verdict:
        """Offer one pair to the memory; keep a copy of it for those who watch."""
        copies = None
        if self.tried is not None:
            copies = Displacement(*(getattr(move, each.name).clone() for each in fields(move))), y.clone()
        verdict = self.recipe.memory.admit_(self.states["memory"], move, y, self.operator)
        if self.tried is not None and copies is not None:
            self.tried.append((*copies, verdict))
        return verdict

    def _admit_all(self, move: Displacement, made: Pair) -> Verdict:
        """Admit the pairs of a generator which makes its own displacements."""
        if made.renews:
            self.recipe.memory.reset_(self.states["memory"], move.where)
        S, Y = (x.unsqueeze(1) if x.dim() == 2 else x for x in (made.s, made.y))
        admitted = torch.zeros_like(move.where)
        for s, y in zip(S.unbind(1), Y.unbind(1), strict=True):
            verdict = self._admit(replace(move, s=s.contiguous()), y.contiguous())
            admitted = admitted | verdict.admitted
        return replace(verdict, admitted=admitted)

    def _roll_back(self, where: Tensor) -> None:
        """Put the parameters of the runs in ``where`` back to the reference and forget their pairs."""
        recipe, states = self.recipe, self.states
        self.flat.scatter(self.clock.reference, where)
        recipe.memory.reset_(states["memory"], where)
        recipe.stepper.rollback_(states["stepper"], where)
        if recipe.pairs is not None and (recipe.guard is None or recipe.guard.clear_store):
            recipe.pairs.reset_(states["pairs"], where)

    def _record(self, kind: Tensor, verdict: Verdict) -> None:
        unknown = torch.full_like(verdict.s_y, torch.nan)
        guard = self.states.get("guard")
        losses = [unknown, unknown] if guard is None else [guard.loss, guard.reference]
        columns = [kind.double(), verdict.s_y, verdict.s_s, verdict.y_y, *losses]
        self.log.close_window(torch.stack(columns, dim=1))
