"""Whole methods under a script: gradients, curvature and monitor losses are dictated, everything is recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Displacement, Event, EventKind, Need, QuasiNewton, Recipe, Space, Step
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.protocols import Operator
from adaqn_lab.recipe import ROLES
from verification.parts import tensor
from verification.strategies import BAD_KINDS, Array, StreamCase

LR = 0.125
STATES = (*ROLES, "clock")
"""Under which names ``QuasiNewton.state`` has the tensors of the algorithm and of its parts."""


@dataclass(frozen=True)
class Method:
    """A recipe and the optimizer class that runs it."""

    recipe: Recipe
    optimizer: type[QuasiNewton] = QuasiNewton

    def but(self, **changes: Any) -> Method:
        """The same with some roles replaced."""
        return replace(self, recipe=self.recipe.but(**changes))

    def every(self, steps: int) -> Method:
        """The same with windows of that many steps."""
        return self.but(cadence=replace(self.recipe.cadence, every=steps))

    def short(self, steps: int) -> Method:
        """The same with windows of that many steps, if it has windows: its pairs' field ``every`` goes along."""
        pairs, cadence = self.recipe.pairs, replace(self.recipe.cadence, every=steps)
        if self.recipe.cadence.every == 1:
            return self
        return self.but(pairs=replace(pairs, every=steps) if hasattr(pairs, "every") else pairs, cadence=cadence)  # type: ignore[type-var]

    def build(self, params: Any, *, lr: Any = LR, monitor: Any = None, **options: Any) -> QuasiNewton:
        """The optimizer; ``monitor`` is passed on only if there is a guard to ask it."""
        if self.recipe.guard is None:
            monitor = None
        return self.optimizer(params, self.recipe, lr=lr, monitor=monitor, **options)


@dataclass(frozen=True)
class Script:
    """What happens to one run: per step a kind of gradient, per window a monitor outcome and a sign of y.

    ``losses``: keep (lower than all before), rise, equal (to the last), nan, inf. ``signs``: y = sign s, so that
    -1 makes the curvature test fail. ``base`` is where the losses start: positive, zero or negative.
    """

    n: int
    every: int
    kinds: tuple[str, ...]
    losses: tuple[str, ...]
    signs: tuple[int, ...]
    base: float
    seed: int

    @cached_property
    def stream(self) -> StreamCase:
        """The gradients, float64."""
        return StreamCase(self.n, self.kinds, self.seed, "float64")


@st.composite
def scripts(draw: st.DrawFn, bad: bool = True, min_windows: int = 1, max_windows: int = 6) -> Script:
    """Scripts of up to ``max_windows`` windows of 1 to 4 steps; the last window may be under way."""
    every, windows = draw(st.integers(1, 4)), draw(st.integers(min_windows, max_windows))
    steps = windows * every + draw(st.integers(0, every - 1))
    kinds = st.sampled_from(("normal",) * 6 + (BAD_KINDS if bad else ("zero",)))
    losses = st.sampled_from(("keep", "rise", "keep", "rise", "keep", "equal", "nan", "inf"))
    return Script(
        n=draw(st.integers(1, 4)),
        every=every,
        kinds=tuple(draw(kinds) for _ in range(steps)),
        losses=tuple(draw(losses) for _ in range(windows + 1)),
        signs=tuple(draw(st.sampled_from((1, 1, -1))) for _ in range(windows + 1)),
        base=draw(st.sampled_from((100.0, -100.0, 0.0))),
        seed=draw(st.integers(0, 2**16)),
    )


@dataclass(frozen=True)
class ScriptedPairs(PairGeneratorBase):
    """y = sign s by the script; keeps a copy of every displacement that it was asked about."""

    signs: tuple[int, ...]
    moves: list[Displacement] = field(default_factory=list, repr=False)  # the optimizer saves our repr

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        """Record the displacement; return sign s."""
        sign = self.signs[min(len(self.moves), len(self.signs) - 1)]
        copies = (x.clone() for x in (move.s, move.w_bar, move.w_ref, move.where))
        self.moves.append(Displacement(*copies))
        return sign * move.s


@dataclass(frozen=True)
class SpyStepper:
    """Another stepper, with its directions recorded: zero where they could not be used.

    ``told``: whether it hears that windows became the reference.
    """

    inner: Any
    told: bool = True
    directions: list[Tensor] = field(default_factory=list, repr=False)

    @property
    def needs(self) -> frozenset[Need]:
        """The other's."""
        found: frozenset[Need] = self.inner.needs
        return found

    def check_recipe(self, recipe: Recipe) -> None:
        """Ask the other."""
        self.inner.check_recipe(recipe)

    def init(self, space: Space) -> Any:
        """The other's state."""
        return self.inner.init(space)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """The other's direction."""
        d: Tensor = self.inner.direction_(state, step, operator)
        usable = step.where & torch.isfinite(d.square().sum(1))
        self.directions.append(torch.where(usable.unsqueeze(1), d, 0.0))
        return d

    def rollback_(self, state: Any, where: Tensor) -> None:
        """The other's."""
        self.inner.rollback_(state, where)

    def advance_(self, state: Any, where: Tensor) -> None:
        """The other's."""
        if self.told:
            self.inner.advance_(state, where)


@dataclass
class Trace:
    """All that happened. Index k: after k steps, k = 0 the start.

    ``w`` the parameters, roll-backs included; ``moved`` the parameters before a roll-back of that step; ``reference``
    w_ref; ``state`` the tensors of the state dict; ``probe`` H v for a fixed v. ``moves`` are the displacements and
    ``losses`` the monitor's values, by window.
    """

    w: list[Tensor]
    moved: list[Tensor]
    reference: list[Tensor]
    state: list[dict[str, Tensor]]
    probe: list[Tensor]
    moves: list[Displacement]
    losses: list[float]
    events: tuple[Event, ...] = ()

    @property
    def windows(self) -> list[Event]:
        """The events of windows."""
        return [e for e in self.events if e.kind is not EventKind.STEP_SKIPPED]


class _Monitor:
    """The scripted monitor: the same point always has the same loss, a new point the next of the script."""

    def __init__(self, script: Script, parameter: Tensor) -> None:
        self.script, self.parameter = script, parameter
        self.known: dict[bytes, float] = {}
        self.window = 0
        self.last = script.base
        self.calls = 0

    def value(self, w: Tensor) -> float:
        """The loss at ``w``."""
        key = w.detach().numpy().tobytes()
        if key not in self.known:
            outcome = self.script.losses[min(self.window, len(self.script.losses) - 1)]
            self.known[key] = {
                "keep": self.script.base - self.window,
                "equal": self.last,
                "rise": 1e6,  # the same at every rise: a reference loss taken from a refused window would let it pass
                "nan": math.nan,
                "inf": math.inf,
            }[outcome]
            if math.isfinite(self.known[key]):
                self.last = self.known[key]
        return self.known[key]

    def __call__(self) -> float:
        self.calls += 1
        return self.value(self.parameter)


def perform(method: Method, script: Script, *, pairs: bool = True, told: bool = True) -> Trace:
    """Run the script on ``method`` with scripted pairs (or none) and record; ``told`` as :class:`SpyStepper`'s."""
    w = torch.nn.Parameter(tensor(script.stream.s))
    scripted, spy = ScriptedPairs(script.signs), SpyStepper(method.recipe.stepper, told)
    changed = method.but(pairs=scripted if pairs else None, stepper=spy).every(script.every)
    monitor = _Monitor(script, w)
    optimizer = changed.build([w], monitor=monitor)
    start, v = w.detach().clone(), torch.ones(1, script.n, dtype=w.dtype)
    trace = Trace([start], [start], [start], [{}], [v], scripted.moves, [])
    for k, g in enumerate(script.stream.gradients, start=1):
        monitor.window = (k - 1) // script.every
        before = w.detach().clone()
        w.grad = tensor(g)
        optimizer.step()
        trace.w.append(w.detach().clone())
        trace.moved.append(before - LR * spy.directions[-1][0])
        tensors = optimizer.state[w]
        trace.state.append({name: x.clone() for name, x in tensors.items() if name.partition(".")[0] in STATES})
        trace.reference.append(trace.state[-1]["clock.reference"][0])
        trace.probe.append(optimizer.operator(v.clone()))
    if scripted.moves and method.recipe.guard is not None:
        trace.losses = [monitor.value(move.w_bar[0]) for move in scripted.moves]
    trace.events = optimizer.events
    return trace


def expected_kinds(method: Method, script: Script, trace: Trace) -> list[EventKind]:
    """What the windows must come to, by the rules in words, from the recorded displacements and losses.

    Keep iff the loss is finite and (there is no reference yet or it is no higher than the bound); a kept window
    makes the reference if there is none, else admits its pair iff y = +s and s is not zero.
    """
    guard, cadence = method.recipe.guard, method.recipe.cadence
    found, anchored, bound = [], cadence.from_start, math.inf
    if guard is not None and anchored:
        bound = _bound(guard, _Monitor(script, trace.w[0]).value(trace.w[0]))
    for window, move in enumerate(trace.moves):
        loss = trace.losses[window] if trace.losses else 0.0
        if not (math.isfinite(loss) and (not anchored or loss <= bound)):
            found.append(EventKind.ROLLED_BACK)
            continue
        admitted = script.signs[window] > 0 and bool((move.s != 0).any())
        kind = (EventKind.ADMITTED if admitted else EventKind.SKIPPED) if anchored else EventKind.REFERENCE
        found.append(kind)
        if kind is not EventKind.SKIPPED or cadence.always_advance:
            anchored, bound = True, _bound(guard, loss) if guard is not None else math.inf
    return found


def _bound(guard: Any, reference: float) -> float:
    """A reference loss that is not finite bounds nothing."""
    if not math.isfinite(reference):
        return math.inf
    result: float = reference + (guard.at_most - 1) * abs(reference) + guard.slack
    return result


def window_iterates(method: Method, script: Script, trace: Trace, window: int) -> Array:
    """The L iterates that the cadence says are averaged, (L, n)."""
    first = window * script.every
    steps = range(first, first + script.every)
    after = method.recipe.cadence.after_step
    return np.array([(trace.moved[k + 1] if after else trace.w[k]).numpy() for k in steps])
