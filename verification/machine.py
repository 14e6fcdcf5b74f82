"""A memory under any sequence of acts, against a plain deque."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adaqn_lab import Space
from adaqn_lab import state as part_state
from adaqn_lab.operator import InverseHessian
from verification.compare import close, holds, same, torch_dtype
from verification.conditioning import Conditioning
from verification.parts import FORMS, Form, by_entries, displacement, operator_of, tensor
from verification.references import two_loop
from verification.shrinking import shrunk
from verification.strategies import COSINES, DTYPES, Array, make_pair
from verification.tolerances import TOLERANCES

RUNS = 5
SLOTS = 3
"""A memory is shrunk to so many, so that it is full after a few acts."""
MASKS = st.lists(st.booleans(), min_size=RUNS, max_size=RUNS)


class MemoryMachine(RuleBasedStateMachine):
    """Offers, unsound offers, resets, and saving and loading, in any order, for five runs.

    The model is one ``deque(maxlen=capacity)`` of pairs a run; after every act H v must be the textbook two-loop
    recursion over the deque. Subclass with ``factory``; for a memory which holds admitted pairs as given, first
    in first out. See :func:`memory_machine`.
    """

    factory: Callable[[], Any]

    @initialize(n=st.integers(1, 5), dtype=st.sampled_from(DTYPES), seed=st.integers(0, 2**16))
    def start(self, n: int, dtype: str, seed: int) -> None:
        """An empty memory and empty deques."""
        self.part = shrunk(type(self).factory(), SLOTS)
        self.n, self.dtype = n, dtype
        self.rng = np.random.default_rng(seed)
        self.space = Space(RUNS, n, torch_dtype(dtype))
        self.state = self.part.init(self.space)
        self.held: list[deque[tuple[Array, Array]]] = [deque(maxlen=self.part.capacity) for _ in range(RUNS)]
        self.change_h0()
        self.v = self.rng.standard_normal((RUNS, n)).astype(dtype)

    def _operator(self, form: Form = by_entries) -> InverseHessian:
        return operator_of(self.part, self.state, form(tensor(self.h0)))

    @rule()
    def change_h0(self) -> None:
        """H0 is another one at every step."""
        self.h0 = (2.0 ** self.rng.uniform(-1, 1, (RUNS, self.n))).astype(self.dtype)

    def _offer(self, s: Array, y: Array, where: list[bool]) -> Any:
        w_ref = tensor(self.rng.standard_normal(s.shape).astype(s.dtype))
        move = displacement(tensor(s), torch.tensor(where), w_ref)
        return self.part.admit_(self.state, move, tensor(y), self._operator())

    @rule(cosine=st.sampled_from(COSINES[:3]), length=st.integers(-2, 2), where=MASKS)
    def offer(self, cosine: float, length: int, where: list[bool]) -> None:
        """A sound pair; the memory's test may still refuse it."""
        pairs = [make_pair(self.rng, self.n, cosine, 1.0, 2.0**length) for _ in range(RUNS)]
        s, y = (np.array(x).astype(self.dtype) for x in zip(*pairs, strict=True))
        admitted = self._offer(s, y, where).admitted.tolist()
        for run in range(RUNS):
            holds(where[run] or not admitted[run], f"run {run} was admitted without being asked")
            if admitted[run]:
                self.held[run].append((s[run], y[run]))

    @rule(value=st.sampled_from((-1.0, 0.0, np.nan, np.inf, -np.inf)), where=MASKS)
    def offer_unsound(self, value: float, where: list[bool]) -> None:
        """y = -s, 0, NaN or infinite: never admitted."""
        y = value * self.v if value in (-1.0, 0.0) else np.full_like(self.v, value)
        holds(not self._offer(self.v, y, where).admitted.any(), f"an unsound pair was admitted, y = {y.tolist()}")

    @rule(where=MASKS)
    def reset(self, where: list[bool]) -> None:
        """Some runs forget."""
        self.part.reset_(self.state, torch.tensor(where))
        for run in range(RUNS):
            if where[run]:
                self.held[run].clear()

    @rule()
    def save_and_load(self) -> None:
        """Through a file, into a fresh state."""
        before, file = self._operator().apply_(tensor(self.v)), io.BytesIO()
        torch.save(part_state.flatten({"memory": self.state}), file)
        file.seek(0)
        self.state = self.part.init(self.space)
        part_state.load_({"memory": self.state}, torch.load(file, weights_only=True))
        same(self._operator().apply_(tensor(self.v)), before, "H v after saving and loading")

    @invariant()
    def is_the_deque(self) -> None:
        """H v and the newest pair are those of the deques."""
        if not hasattr(self, "held"):
            return  # before start()
        got = [self._operator(form).apply_(tensor(self.v)) for form in FORMS]
        s_y, _, _, exists = self.state.newest()
        for run, held in enumerate(self.held):
            S, Y = (np.array([p[i] for p in held]).reshape(-1, self.n) for i in (0, 1))
            c = Conditioning.of(S, Y, self.h0[run])
            rtol = TOLERANCES["operator"](self.dtype, m=c.m, n=self.n, c_min=c.c_min)
            atol = 2 * rtol * c.magnitude * np.linalg.norm(self.v[run].astype(np.float64))
            expected = two_loop.direction(S, Y, self.h0[run], self.v[run])
            for Hv in got:
                close(Hv[run], expected, atol, f"H v of run {run}, {len(held)} pairs held")
            holds(bool(exists[run]) == bool(held), f"newest() of run {run}: exists={bool(exists[run])}")
            if held:
                s, y = (x.astype(np.float64) for x in held[-1])
                close(s_y[run], s @ y, TOLERANCES["linear"](self.dtype, n=self.n) * np.abs(s * y).sum(), "newest s'y")


def memory_machine(memory: Callable[[], Any]) -> type[MemoryMachine]:
    """The machine for a factory of memories; its ``TestCase`` is a unittest, for pytest to collect.

    >>> from adaqn_lab import Window
    >>> TestWindow = memory_machine(Window).TestCase
    """
    return type("Machine", (MemoryMachine,), {"factory": staticmethod(memory)})
