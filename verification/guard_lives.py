"""The life of a guard, as the optimizer leads it: twelve windows judged, of which some become the reference."""

from __future__ import annotations

import contextlib
import copy
import io
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Displacement, Space
from adaqn_lab import state as part_state
from verification.compare import torch_dtype
from verification.strategies import DTYPES, Array

WINDOWS = 12
UNKNOWN = (np.nan, np.inf)
BASES = (1.0, -1.0, *UNKNOWN, 0.0, 2.0**-60, 100.0, *UNKNOWN, -(2.0**60), 2.0**60, 2.0**200, -(2.0**-200))
"""Losses of first points."""
MOVES = {
    "within": 4,
    "beyond": 4,
    "lower": 4,
    "much lower": 1,
    "equal": 1,
    "between": 2,
    "much higher": 1,
    "nan": 1,
    "inf": 1,
    "-inf": 1,
}
"""How a window's loss lies to that of the reference, and how often."""
ELSEWHERE = -(2.0**90)
"""The loss at a point that nobody has a reason to ask for."""
FAR = 2.0**60
"""An entry which no window changes: 1e14 times as large as any displacement."""
CALLS = 8
"""Losses that a guard may ask for at one window."""


@dataclass(frozen=True)
class GuardLifeCase:
    """Twelve windows of R runs: how each loss lies to that of the run's reference, and whether a kept window advances.

    ``from_start``: the starting point is the first reference. ``far``: all points lie so far from the origin that every
    displacement is tiny against them.
    """

    runs: int
    n: int
    from_start: bool
    seed: int
    dtype: str
    far: bool = False

    def rng(self, stream: int) -> np.random.Generator:
        """A stream of random numbers."""
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def moves(self) -> Array:
        """Names in MOVES, (W, R)."""
        weights = np.array(list(MOVES.values()), dtype=float)
        return self.rng(0).choice(list(MOVES), (WINDOWS, self.runs), p=weights / weights.sum())

    @cached_property
    def advances(self) -> Array:
        """Whether the window becomes the reference if it is kept, (W, R) bool: a skipped pair leaves it."""
        return self.rng(1).random((WINDOWS, self.runs)) < 0.7

    @cached_property
    def lost(self) -> Array:
        """Whose average is not finite, (W, R) bool."""
        return self.rng(2).random((WINDOWS, self.runs)) < 0.06

    @cached_property
    def points(self) -> Array:
        """Averages (W + 1, R, n), the starting point first; the first entry is 2^window."""
        points = self.rng(3).standard_normal((WINDOWS + 1, self.runs, self.n))
        points[:, :, 0] = 2.0 ** np.arange(WINDOWS + 1)[:, None]
        if self.far and self.n > 1:
            points[:, :, -1] = FAR
        points[1:][self.lost] = np.inf
        return points.astype(self.dtype)

    @cached_property
    def bases(self) -> Array:
        """Losses of the starting points, (R,)."""
        return np.array(BASES)[(self.seed + 4 * np.arange(self.runs)) % len(BASES)]

    @cached_property
    def sizes(self) -> Array:
        """Numbers in 1/4 to 1, (W, R)."""
        return self.rng(4).uniform(0.25, 1.0, (WINDOWS, self.runs))


class Anywhere(GuardLifeCase):
    """Its displacements point anywhere: every entry grows as the first one does."""

    @cached_property
    def points(self) -> Array:
        """As of the case, the other entries times 2^(window + 1)."""
        points = super().points.astype(np.float64)
        points[:, :, 1:] *= 2.0 ** np.arange(1, WINDOWS + 2)[:, None, None]
        return points.astype(self.dtype)


class Vectors(Enum):
    """What becomes of a window's vectors when it was judged."""

    SPOILT = "filled with NaN"
    KEPT = "left as they are"
    REUSED = "overwritten by those of the next window"


@st.composite
def guard_life_cases(draw: st.DrawFn, min_runs: int = 1) -> GuardLifeCase:
    """1, 2, 4 or 5 runs."""
    return GuardLifeCase(
        runs=draw(st.sampled_from([runs for runs in (1, 2, 4, 5) if runs >= min_runs])),
        n=draw(st.integers(1, 3)),
        from_start=draw(st.booleans()),
        seed=draw(st.integers(0, 2**16)),
        dtype=draw(st.sampled_from(DTYPES)),
        far=draw(st.booleans()),
    )


class OracleDownError(Exception):
    """What the callable of the user raised."""


class Monitor:
    """An oracle for losses only: that of a point is found by its first entry.

    On the way from the reference to the average it is the mean of theirs, away from it lower than any other: nothing is
    to be learned there. ``raises_at``: the call at which it raises, once.
    """

    def __init__(self, *table: Array) -> None:
        self.table = [losses.astype(np.float64) for losses in table]
        self.ends = np.zeros((2, len(table[0])), dtype=int)
        self.way = np.zeros((2, len(table[0]), 1))
        self.calls, self.raises_at = 0, -1

    def at(self, w: Array) -> Array:
        """The losses (R,) at ``w`` (R, n)."""
        whole = np.isfinite(w).all(axis=1)
        mantissa, exponent = np.frexp(np.where(whole, w[:, 0], 1.0).astype(np.float64))
        runs, table = np.arange(len(w)), np.array(self.table)
        known = (mantissa == 0.5) & (exponent >= 1) & (exponent <= len(table))
        exact = table[np.where(known, exponent - 1, 0), runs]
        low, high = (table[np.minimum(end, len(table) - 1), runs] for end in self.ends)
        finite = np.isfinite(low) & np.isfinite(high)
        between = np.where(finite, np.where(finite, low, 0.0) / 2 + np.where(finite, high, 0.0) / 2, np.nan)
        between = np.where(self._on_the_way(w), between, ELSEWHERE)
        result: Array = np.where(whole, np.where(known, exact, between), np.nan)
        return result

    def _on_the_way(self, w: Array) -> Array:
        """Which points lie between the reference and the average, up to the vectors' rounding; (R,) bool."""
        start, end = self.way
        length = np.linalg.norm(end - start, axis=1)
        detour = np.linalg.norm(w - start, axis=1) + np.linalg.norm(end - w, axis=1) - length
        result: Array = detour <= 1e-4 * length
        return result

    def loss(self, w: Tensor) -> Tensor:
        """The same as tensors."""
        self.calls += 1
        if self.calls - 1 == self.raises_at:
            self.raises_at = -1
            raise OracleDownError("the monitor is down")
        return torch.from_numpy(self.at(w.numpy()))

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a guard asked the oracle for {name}; it may ask for losses only")


@dataclass(frozen=True)
class Judged:
    """One window, all (R,): what the guard said and told, and what is true.

    ``known``: whose reference there is to compare with; ``whole``: whose average is finite.
    """

    keep: Array
    told_loss: Array
    told_reference: Array
    loss: Array
    reference: Array
    known: Array
    whole: Array


def bound(part: Any, reference: Array) -> Array:
    """f + (at_most - 1)|f| + slack; a part which has no such fields gets those of MonitorIncrease()."""
    at_most, slack = float(getattr(part, "at_most", 1.01)), float(getattr(part, "slack", 0.0))
    result: Array = reference + (at_most - 1.0) * np.abs(reference) + slack
    return result


class GuardLife:
    """``part`` judging a case, the runs ``rows`` of it. ``vectors``: what becomes of those that it was given.

    ``trouble``: at each window the oracle raises at a call, or something after the judgement does, and the guard is
    asked again.
    """

    def __init__(
        self,
        part: Any,
        case: GuardLifeCase,
        rows: tuple[int, ...] | None = None,
        trouble: bool = False,
        vectors: Vectors = Vectors.SPOILT,
    ) -> None:
        self.part, self.case, self.trouble, self.vectors = part, case, trouble, vectors
        self.rows = list(range(case.runs)) if rows is None else list(rows)
        self.space = Space(len(self.rows), case.n, torch_dtype(case.dtype))
        self.state = part.init(self.space)
        self.monitor = Monitor(case.bases[self.rows])
        self.w_ref = case.points[0][self.rows]
        self.own = [torch.empty(self.w_ref.shape, dtype=self.space.dtype) for _ in range(3)]
        self.anchored = np.full(len(self.rows), case.from_start)
        if case.from_start:
            start, nobody = torch.from_numpy(self.w_ref.copy()), self.space.mask(False)
            part.judge_(self.state, Displacement(start, start, start, nobody), self.monitor)
            part.advance_(self.state, self.space.mask(True))

    def candidate_loss(self, window: int) -> Array:
        """The loss of this window's average, (R,): to its run's reference as the case says."""
        reference = self.monitor.at(self.w_ref)
        reference = np.where(np.isfinite(reference), reference, 1.0)
        limit, size = bound(self.part, reference), self.case.sizes[window][self.rows]
        room = np.maximum(limit - reference, 1e-9 * np.abs(reference))
        unit = np.maximum(np.abs(reference), room) + (reference == 0)
        close = 1e-9 * (np.abs(reference) + np.abs(limit)) + 1e-12 * room
        found = {
            "within": np.where(limit - close > reference, limit - close, reference),
            "beyond": limit + close + (limit == 0) * 1e-9,
            "lower": reference - size * unit / 8,
            "much lower": reference - 4 * size * unit,
            "equal": reference,
            "between": reference + size * 0.75 * (limit - reference),
            "much higher": limit + 8 * size * unit,
            **{name: np.full(len(self.rows), float(name)) for name in ("nan", "inf", "-inf")},
        }
        moves = self.case.moves[window][self.rows]
        return np.array([found[move][run] for run, move in enumerate(moves)])

    def move(self, window: int) -> Displacement:
        """The displacement of this window."""
        w_bar, w_ref = (torch.from_numpy(x.copy()) for x in (self.case.points[window + 1][self.rows], self.w_ref))
        where = torch.from_numpy(self.anchored & ~self.case.lost[window][self.rows])
        s = w_bar - w_ref
        if self.vectors is Vectors.REUSED:
            s, w_bar, w_ref = (own.copy_(x) for own, x in zip(self.own, (s, w_bar, w_ref), strict=True))
        return Displacement(s, w_bar, w_ref, where)

    def _ends(self, window: int) -> Array:
        """Which points are the reference and the average, (2, R)."""
        reference = np.frexp(self.w_ref[:, 0].astype(np.float64))[1] - 1
        return np.array([reference, np.full(len(self.rows), window + 1)])

    def _way(self, window: int) -> Array:
        """The reference and the average, (2, R, n); where that is not finite, the reference."""
        end = self.case.points[window + 1][self.rows]
        return np.array([self.w_ref, np.where(np.isfinite(end), end, self.w_ref)], dtype=np.float64)

    def fork(self, window: int, losses: Array) -> Array:
        """What a copy of the guard says of this window with these losses (R,), bool (R,)."""
        other = Monitor(*self.monitor.table, losses)
        other.ends, other.way = self._ends(window), self._way(window)
        keep = self.part.judge_(copy.deepcopy(self.state), self.move(window), other)
        result: Array = keep.numpy().astype(bool)
        return result

    def judge(self, window: int) -> Judged:
        """Judge the next window, and advance."""
        true, whole = self.candidate_loss(window), ~self.case.lost[window][self.rows]
        self.monitor.table.append(true)
        self.monitor.ends, self.monitor.way = self._ends(window), self._way(window)
        move = self.move(window)
        given = {name: x.clone() for name, x in vars(move).items()}
        keep = self._keep(window, move)
        self._check(window, move, given, keep)
        told = [getattr(self.state, name).clone().numpy() for name in ("loss", "reference")]
        judged = Judged(
            keep=keep.clone().numpy(),
            told_loss=told[0],
            told_reference=told[1],
            loss=true,
            reference=self.monitor.at(self.w_ref),
            known=self.anchored & whole,
            whole=whole,
        )
        if self.vectors is Vectors.SPOILT:
            for x in (move.s, move.w_bar, move.w_ref):
                x.fill_(torch.nan)
        self._advance(window, judged.keep & whole)
        return judged

    def _keep(self, window: int, move: Displacement) -> Any:
        """The answer; in trouble a second one."""
        self.monitor.calls = 0
        if self.trouble:
            self.monitor.raises_at = int(self.case.rng(5 + window).integers(3))
            with contextlib.suppress(OracleDownError):
                self.part.judge_(self.state, move, self.monitor)
            self.monitor.calls, self.monitor.raises_at = 0, -1
        return self.part.judge_(self.state, move, self.monitor)

    def _check(self, window: int, move: Displacement, given: dict[str, Tensor], keep: Any) -> None:
        """What holds for every answer."""
        runs = (len(self.rows),)
        answers = {"keep": (keep, torch.bool)}
        answers |= {f"state.{name}": (getattr(self.state, name), torch.float64) for name in ("loss", "reference")}
        for name, (x, dtype) in answers.items():
            if not isinstance(x, Tensor) or x.shape != runs or x.dtype != dtype:
                got = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)
                raise AssertionError(f"window {window + 1}: {name} is {got}, expected {dtype} {runs}")
        for name, before in given.items():
            if not torch.equal(torch.nan_to_num(getattr(move, name)), torch.nan_to_num(before)):
                now = getattr(move, name).tolist()
                raise AssertionError(f"window {window + 1}: move.{name} was {before.tolist()}, is {now} after judge_")
        if self.monitor.calls > CALLS:
            raise AssertionError(f"window {window + 1}: {self.monitor.calls} losses were asked for, {CALLS} allowed")

    def _advance(self, window: int, keep: Array) -> None:
        advance = keep & (self.case.advances[window][self.rows] | ~self.anchored)
        where = torch.from_numpy(advance.copy())
        self.part.advance_(self.state, where)
        if (where.numpy() != advance).any():
            raise AssertionError(f"advance_ wrote into its mask {advance.tolist()}: {where.tolist()} now")
        self.w_ref = np.where(advance[:, None], self.case.points[window + 1][self.rows], self.w_ref)
        self.anchored = self.anchored | advance

    def resumed(self, part: Any) -> GuardLife:
        """``part`` with what was saved of this one and read again."""
        other, file = GuardLife(part, self.case, tuple(self.rows)), io.BytesIO()
        torch.save(part_state.flatten({"state": self.state}), file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        part_state.check({"state": other.state}, saved)
        part_state.load_({"state": other.state}, saved)
        other.monitor = Monitor(*self.monitor.table)
        other.w_ref, other.anchored = self.w_ref.copy(), self.anchored.copy()
        return other
