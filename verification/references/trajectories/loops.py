"""The two schedules: a pair every step, and a pair every window of averages with a guard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references.trajectories.algebra import Pairs
from verification.references.trajectories.problem import Problem

Array = NDArray[Any]
Matrix = Callable[[Pairs, Array], Array]
"""(pairs held, accumulator of squared gradients) -> H."""
Move = Callable[[int, Array, Array], Array]
"""(k, H, g) -> d."""


@dataclass
class Found:
    """``w`` after each step, roll-backs included; ``kinds`` of the windows, in order."""

    w: list[Array] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


def positive(s: Array, y: Array) -> bool:
    """s'y > 0."""
    return bool(s @ y > 0)


def h_times_g(k: int, H: Array, g: Array) -> Array:
    """d = H g."""
    d: Array = H @ g
    return d


def online(
    p: Problem,
    lr: float,
    steps: int,
    *,
    matrix: Callable[[Pairs], Array],
    pair: Callable[[int, Array, Array], tuple[Array, Array]],
    repair: Callable[[Array, Array, Array], tuple[Array, Array]] | None = None,
    test: Callable[[Array, Array], bool] = positive,
    move: Move = h_times_g,
    keep: int | None = None,
) -> Found:
    """w <- w - lr d; a pair from w_k to w_{k+1}, repaired with the H of the pairs so far, kept if it passes.

    ``pair(k, w, w_next)``; ``keep``: the number of pairs, None for all.
    """
    found, w, pairs = Found(), p.start, list[tuple[Array, Array]]()
    for k in range(1, steps + 1):
        H = matrix(pairs)
        w_next = w - lr * move(k, H, p.gradient(w, p.batch(k)))
        s, y = pair(k, w, w_next)
        if repair is not None:
            s, y = repair(s, y, H)
        admitted = test(s, y)
        if admitted:
            pairs.append((s, y))
            if keep is not None:
                pairs = pairs[-keep:]
        found.kinds.append("ADMITTED" if admitted else "SKIPPED")
        w = w_next
        found.w.append(w)
    return found


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The schedule and the parts of a method with averages.

    ``make(F, w_n, w_o, k)`` returns (s, y) or None where there is none yet; ``squares(G, g)`` accumulates for
    ``matrix``; ``stack(pairs, s, y)`` returns the pairs held after admission; ``guarded``: roll back if the monitor
    loss rises above ``at_most`` times the reference's; ``settle(kind)`` tells the stepper of a window's end.
    """

    every: int = 20
    after_step: bool = False
    from_start: bool = False
    always_advance: bool = False
    guarded: bool = True
    at_most: float = 1.01
    clear_gradients: bool = True
    make: Callable[[list[Array], Array, Array, int], tuple[Array, Array] | None]
    matrix: Matrix
    squares: Callable[[Array, Array], Array] = lambda G, g: G + g * g
    test: Callable[[Array, Array], bool] = positive
    stack: Callable[[list[tuple[Array, Array]], Array, Array], list[tuple[Array, Array]]] = lambda P, s, y: [*P, (s, y)]
    move: Move = h_times_g
    see: Callable[[int, Array, Array], None] = lambda k, w, g: None
    settle: Callable[[str], None] = lambda kind: None
    keep: int = 10
    gradients: int = 100

    def run(self, p: Problem, lr: float, steps: int) -> Found:
        """The trajectory from ``p.start``."""
        found, w, n = Found(), p.start, len(p.start)
        pairs: list[tuple[Array, Array]] = []
        F: list[Array] = []
        G, total = np.zeros(n), np.zeros(n)
        w_o = w if self.from_start else None
        for k in range(1, steps + 1):
            g = p.gradient(w, p.batch(k))
            F, G = [*F, g][-self.gradients :], self.squares(G, g)
            self.see(k, w, g)
            w_next = w - lr * self.move(k, self.matrix(pairs, G), g)
            total = total + (w_next if self.after_step else w)
            w = w_next
            if k % self.every == 0:
                w_n, total = total / self.every, np.zeros(n)
                kind = "REFERENCE"
                if w_o is not None and self.guarded and not p.loss(w_n) <= self.at_most * p.loss(w_o):
                    kind, w, pairs = "ROLLED_BACK", w_o, []
                    F = [] if self.clear_gradients else F
                elif w_o is not None:
                    kind = self._admit(F, w_n, w_o, k, pairs)
                if kind in ("REFERENCE", "ADMITTED") or (kind == "SKIPPED" and self.always_advance):
                    w_o = w_n
                    self.settle("ADVANCED")
                self.settle(kind)
                found.kinds.append(kind)
            found.w.append(w)
        return found

    def _admit(self, F: list[Array], w_n: Array, w_o: Array, k: int, pairs: list[tuple[Array, Array]]) -> str:
        made = self.make(F, w_n, w_o, k)
        if made is None or not self.test(*made):
            return "SKIPPED"
        pairs[:] = self.stack(pairs, *made)[-self.keep :] if self.keep else []
        return "ADMITTED"
