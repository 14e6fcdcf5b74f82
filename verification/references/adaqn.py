"""adaQN, one run, in plain float64: the whole trajectory of a small problem."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references import empirical_fisher, two_loop

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The choices in which the sources of adaQN differ.

    ``every`` L; ``after_step``: average w_{k+1} rather than w_k; ``pairs`` m_L; ``gradients`` m_F; ``mean``: y with
    1/|F|; ``decay``: of RMSProp, None for AdaGrad; ``eps``: inside the root; ``test_y``: s'y > cautious y'y rather
    than s's; ``at_most``: the factor of the monitor loss; ``clear_gradients``: F is cleared on a roll-back too.
    """

    every: int = 20
    after_step: bool = False
    pairs: int = 10
    gradients: int = 100
    mean: bool = True
    decay: float | None = None
    eps: float = 1e-4
    test_y: bool = True
    cautious: float = 1e-4
    at_most: float = 1.01
    clear_gradients: bool = True


@dataclass
class Trajectory:
    """``w``: the iterate after each step, roll-backs included; ``events``: (step, kind) of each window."""

    w: list[Array] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)


def trajectory(
    reading: Reading,
    w: Array,
    gradient: Callable[[Array, int], Array],
    monitor: Callable[[Array], float],
    lr: float,
    steps: int,
) -> Trajectory:
    """Run adaQN from ``w`` (n,); ``gradient(w, k)`` is the mini-batch gradient of step k = 1, 2, ...

    Per step: F <- F + [g]; G <- G + g g; w <- w - lr H g. Per window of L steps, w_n the mean of its iterates:
    the first is the reference w_o; later, f(w_n) > at_most f(w_o) goes back to w_o and drops the pairs; otherwise
    s = w_n - w_o, y = F s, and if the cautious test holds the pair is stored and w_o = w_n, else nothing changes.
    Losses are taken to be >= 0. Source: Keskar & Berahas 2016 as its implementations agree.
    """
    found = Trajectory()
    S: deque[Array] = deque(maxlen=reading.pairs)
    Y: deque[Array] = deque(maxlen=reading.pairs)
    F: deque[Array] = deque(maxlen=reading.gradients)
    G, total = np.zeros_like(w), np.zeros_like(w)
    w_o: Array | None = None
    for k in range(1, steps + 1):
        g = gradient(w, k)
        F.append(g)
        G = G + g * g if reading.decay is None else reading.decay * G + (1 - reading.decay) * g * g
        h0 = 1 / np.sqrt(G + reading.eps)
        w_next = w - lr * two_loop.direction(np.array(S), np.array(Y), h0, g)
        total = total + (w_next if reading.after_step else w)
        w = w_next
        if k % reading.every == 0:
            w_n, total = total / reading.every, np.zeros_like(w)
            if w_o is None:
                w_o, kind = w_n, "REFERENCE"
            elif not monitor(w_n) <= reading.at_most * monitor(w_o):
                w, kind = w_o, "ROLLED_BACK"
                S.clear()
                Y.clear()
                if reading.clear_gradients:
                    F.clear()
            elif _admit(reading, w_n - w_o, F, S, Y):
                w_o, kind = w_n, "ADMITTED"
            else:
                kind = "SKIPPED"
            found.events.append((k, kind))
        found.w.append(w)
    return found


def _admit(reading: Reading, s: Array, F: deque[Array], S: deque[Array], Y: deque[Array]) -> bool:
    """Make y, test, and store the pair if it passes."""
    y = empirical_fisher.product(F, s, reading.gradients, 1 / max(len(F), 1) if reading.mean else 1.0)
    against = y @ y if reading.test_y else s @ s
    if not (s @ y > reading.cautious * against and s @ y > 0):
        return False
    S.append(s)
    Y.append(y)
    return True
