"""Memories: wrong ones, and unusual ones which are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AggregatedWindow, CautiousCosine, CautiousYY, Displacement, Verdict, Window
from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.diagonal import Entries
from adaqn_lab.linalg import dot
from adaqn_lab.memory import CurvatureTest
from adaqn_lab.memory.admission import judge
from verification.law import Subject


def recursion(s: Tensor, y: Tensor, s_y: Tensor, held: Tensor, v: Tensor, h0: Any) -> Tensor:
    """H v by the two-loop recursion in float64, pairs (R, m, n) with the oldest first."""
    s, y = (torch.where(held.unsqueeze(2), x, 0.0).double() for x in (s, y))
    rho = torch.where(held, 1.0 / torch.where(held, s_y, 1.0), 0.0)
    q, alphas = v.double(), []
    for i in reversed(range(s.shape[1])):
        alphas.append(rho[:, i] * (s[:, i] * q).sum(1))
        q = q - alphas[-1].unsqueeze(1) * y[:, i]
    p = h0.apply_(q.to(v.dtype)).double()
    for i in range(s.shape[1]):
        beta = rho[:, i] * (y[:, i] * p).sum(1)
        p = p + (alphas[-1 - i] - beta).unsqueeze(1) * s[:, i]
    return p.to(v.dtype)


@dataclass
class Stack:
    """Pairs ``s``, ``y`` (R, m, n), the newest last, their products and ``held`` (R, m)."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    held: Tensor

    @classmethod
    def empty(cls, space, m, dtype=None):
        """Nothing is held."""
        numbers = [space.scalars(m, fill=1.0) for _ in range(3)]
        return cls(space.zeros(m, dtype=dtype), space.zeros(m, dtype=dtype), *numbers, space.scalars(m).bool())

    def push_(self, s, y, verdict):
        """Move up the pairs of the runs which the verdict admits."""
        where = verdict.admitted
        new = {"s": s, "y": y, "s_y": verdict.s_y, "s_s": verdict.s_s, "y_y": verdict.y_y, "held": where}
        for name, value in new.items():
            old = getattr(self, name)
            moved = torch.cat([old[:, 1:], value.unsqueeze(1).to(old.dtype)], dim=1)
            setattr(self, name, torch.where(where.view(-1, *(1,) * (old.dim() - 1)), moved, old))

    def newest(self):
        """Of the last place, which is filled first."""
        exists = self.held[:, -1]
        return (*(torch.where(exists, x[:, -1], 1.0) for x in (self.s_y, self.s_s, self.y_y)), exists.clone())

    def products(self):
        """Of every place."""
        return (*(torch.where(self.held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.held.clone())


class Stacked(MemoryBase):
    """What the memories with a stack share."""

    def init(self, space):
        return Stack.empty(space, self.capacity)

    def admit_(self, state, move, y, operator):
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict)
        return verdict

    def apply_(self, state, v, h0):
        return recursion(state.s, state.y, state.s_y, state.held, v, h0)

    def reset_(self, state, where):
        state.held = state.held & ~where.unsqueeze(1)


@dataclass
class Restarting(Stack):
    """Also the newest pair's products ``last`` (R, 3), ``any`` (R,), and ``since`` (R,) the last restart."""

    last: Tensor
    some: Tensor
    since: Tensor

    def newest(self):
        """The products kept."""
        return (*(torch.where(self.some, x, 1.0) for x in self.last.unbind(1)), self.some.clone())


@dataclass(frozen=True, kw_only=True)
class PeriodicRestart(Stacked):
    """L-BFGS which drops all pairs after the twelfth; the products kept aside for `newest` survive that."""

    capacity: int = 6
    test: CurvatureTest = CautiousYY()

    def init(self, space):
        own = Stack.empty(space, self.capacity)
        return Restarting(**own.__dict__, last=space.scalars(3, fill=1.0), some=space.mask(False), since=space.counts())

    def admit_(self, state, move, y, operator):
        verdict = super().admit_(state, move, y, operator)
        where = verdict.admitted
        products = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y], dim=1)
        state.last = torch.where(where.unsqueeze(1), products, state.last)
        state.some = state.some | where
        state.since = state.since + where.long()
        restart = state.since >= 12
        state.held = state.held & ~restart.unsqueeze(1)
        state.since = state.since.masked_fill(restart, 0)
        return verdict

    def reset_(self, state, where):
        super().reset_(state, where)
        state.some = state.some & ~where
        state.since = state.since.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class HalfWindow(Stacked):
    """Pairs in float16, both s and y in units of |s|: y is infinite where the curvature is above 65504."""

    capacity: int = 8
    test: CurvatureTest = CautiousYY(eps=0.0)

    def init(self, space):
        return Stack.empty(space, self.capacity, torch.float16)

    def admit_(self, state, move, y, operator):
        own = judge(move, y, self.test)
        unit = torch.where(own.s_s > 0, own.s_s.rsqrt(), 1.0)
        s, y = (x * unit.to(x.dtype).unsqueeze(1) for x in (move.s, y))
        verdict = Verdict(own.admitted, *(x * unit.square() for x in (own.s_y, own.s_s, own.y_y)))
        state.push_(s, y, verdict)
        return verdict


@dataclass
class Groups(CurvatureBase):
    """The groups' states; ``lengths`` is shape, not state."""

    states: tuple[Any, ...]
    lengths: InitVar[tuple[int, ...]]

    def __post_init__(self, lengths):
        self.sizes = lengths

    def newest(self):
        """The products summed over the groups which hold a pair."""
        groups = [state.newest() for state in self.states]
        some = torch.stack([group[3] for group in groups]).any(dim=0)
        sums = [sum(torch.where(group[3], group[i], 0.0) for group in groups) for i in range(3)]
        return (*(torch.where(some, x, 1.0) for x in sums), some)


@dataclass(frozen=True, kw_only=True)
class LayerWindows(MemoryBase):
    """A window for each weight with its bias, taken two by two: the last of an odd number of tensors misses H0."""

    of: Window = Window(capacity=6)

    def _lengths(self, space):
        sizes = space.sizes or (space.size,)
        return tuple(a + b for a, b in zip(sizes[::2], sizes[1::2])) or (space.size,)  # noqa: B905

    def init(self, space):
        lengths = self._lengths(space)
        spaces = [type(space)(space.runs, size, space.dtype, space.device) for size in lengths]
        return Groups(tuple(self.of.init(own) for own in spaces), lengths)

    @staticmethod
    def _parts(state, v):
        return [part.contiguous() for part in v[:, : sum(state.sizes)].split(state.sizes, dim=1)]

    def admit_(self, state, move, y, operator):
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        where = move.where & torch.isfinite(s_s) & torch.isfinite(y_y)
        admitted = torch.zeros_like(where)
        vectors = (self._parts(state, v) for v in (move.s, move.w_bar, move.w_ref, y))
        for own, s, w_bar, w_ref, part in zip(state.states, *vectors, strict=True):
            told = self.of.admit_(own, Displacement(s, w_bar, w_ref, where), part, operator)
            admitted = admitted | told.admitted
        return Verdict(admitted, s_y, s_s, y_y)

    def apply_(self, state, v, h0):
        entries = self._parts(state, h0.apply_(torch.ones_like(v)))
        start = 0
        for own, h, part in zip(state.states, entries, self._parts(state, v), strict=True):
            v[:, start : start + part.shape[1]] = self.of.apply_(own, part.clone(), Entries(entries=h))
            start += part.shape[1]
        return v

    def reset_(self, state, where):
        for own in state.states:
            self.of.reset_(own, where)


@dataclass
class Corrected(Stack):
    """``y`` holds H y as it was when the pair came; ``y_h_y`` (R, m) float64."""

    y_h_y: Tensor


@dataclass(frozen=True, kw_only=True)
class Corrections(Stacked):
    """H = H0 + a rank-two term for each pair, each with the H y of its day, whatever H0 and the oldest pair are now."""

    capacity: int = 8
    test: CurvatureTest = CautiousYY()

    def init(self, space):
        own = Stack.empty(space, self.capacity)
        return Corrected(**own.__dict__, y_h_y=space.scalars(self.capacity))

    def admit_(self, state, move, y, operator):
        verdict = judge(move, y, self.test)
        h_y = operator(y)
        y_h_y = torch.cat([state.y_h_y[:, 1:], dot(y, h_y).unsqueeze(1)], dim=1)
        state.y_h_y = torch.where(verdict.admitted.unsqueeze(1), y_h_y, state.y_h_y)
        state.push_(move.s, h_y, verdict)
        return verdict

    def apply_(self, state, v, h0):
        s, h_y = (torch.where(state.held.unsqueeze(2), x, 0.0).double() for x in (state.s, state.y))
        s_y = torch.where(state.held, state.s_y, 1.0)
        y_h_y = torch.where(state.held, state.y_h_y, 0.0)
        s_v, h_v = (torch.einsum("rmn,rn->rm", x, v.double()) for x in (s, h_y))
        of_s = (1.0 + y_h_y / s_y) * s_v / s_y - h_v / s_y
        change = torch.einsum("rm,rmn->rn", of_s, s) - torch.einsum("rm,rmn->rn", s_v / s_y, h_y)
        return (h0.apply_(v).double() + change).to(v.dtype)


@dataclass
class Strict(Stack):
    """``level`` (R,): the cosine which is asked for now."""

    level: Tensor


@dataclass(frozen=True, kw_only=True)
class CreepingTest(Stacked):
    """The cosine asked of a pair is trebled at each admission up to 0.9 and never falls again."""

    capacity: int = 10
    test: CautiousCosine = CautiousCosine()

    declares: ClassVar[frozenset[str]] = frozenset({"cautious cosine"})

    def init(self, space):
        own = Stack.empty(space, self.capacity)
        return Strict(**own.__dict__, level=space.scalars(fill=self.test.eps))

    def admit_(self, state, move, y, operator):
        verdict = judge(move, y, self.test)
        enough = verdict.s_y > state.level * verdict.s_s.sqrt() * verdict.y_y.sqrt()
        verdict = Verdict(verdict.admitted & enough, verdict.s_y, verdict.s_s, verdict.y_y)
        state.push_(move.s, y, verdict)
        state.level = torch.where(verdict.admitted, (3.0 * state.level).clamp(max=0.9), state.level)
        return verdict

    def reset_(self, state, where):
        super().reset_(state, where)
        state.level = torch.where(where, self.test.eps, state.level)


@dataclass(frozen=True, kw_only=True)
class ShortConjugateGradients(Window):
    """B v by four conjugate gradient steps on H from H0^-1: exact for one pair, and not for three."""

    declares: ClassVar[frozenset[str]] = frozenset({"invertible"})

    def solve_(self, state, v, h0):
        x = h0.solve_(v.clone())
        r = v - self.apply_(state, x.clone(), h0)
        z = h0.solve_(r.clone())
        p, r_z = z, dot(r, z)
        for _ in range(4):
            h_p = self.apply_(state, p.clone(), h0)
            p_h_p = dot(p, h_p)
            a = torch.where(p_h_p > 0, r_z / p_h_p, 0.0).to(v.dtype).unsqueeze(1)
            x, r = x + a * p, r - a * h_p
            z = h0.solve_(r.clone())
            new = dot(r, z)
            p = z + torch.where(r_z > 0, new / r_z, 0.0).to(v.dtype).unsqueeze(1) * p
            r_z = new
        return x


@dataclass
class Wheel:
    """Pairs in slots; ``head`` () int64 is common to the runs."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    held: Tensor
    head: Tensor

    def ordered(self):
        """The fields with the oldest slot first."""
        m = self.s.shape[1]
        order = torch.remainder(torch.arange(m, device=self.head.device) + self.head, m)
        return [x.index_select(1, order) for x in (self.s, self.y, self.s_y, self.s_s, self.y_y, self.held)]

    def newest(self):
        """Of the last slot held in the order of time."""
        *_, s_y, s_s, y_y, held = self.ordered()
        exists = held.any(1)
        last = (held.long() * torch.arange(1, held.shape[1] + 1, device=held.device)).argmax(1, keepdim=True)
        return (*(torch.where(exists, x.gather(1, last).squeeze(1), 1.0) for x in (s_y, s_s, y_y)), exists)

    def products(self):
        """Of every slot."""
        return (*(torch.where(self.held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.held.clone())


@dataclass(frozen=True, kw_only=True)
class CommonWheel(MemoryBase):
    """One slot to write next for all runs: where one run admits a pair, those that refuse theirs lose their oldest."""

    capacity: int = 5
    test: CurvatureTest = CautiousYY()

    def init(self, space):
        own = Stack.empty(space, self.capacity)
        return Wheel(**own.__dict__, head=space.counts().sum())

    def admit_(self, state, move, y, operator):
        verdict = judge(move, y, self.test)
        where = verdict.admitted
        here = (torch.arange(self.capacity, device=y.device) == state.head) & where.any()
        write = here & where.unsqueeze(1)
        for name, value in (("s", move.s), ("y", y)):
            setattr(state, name, torch.where(write.unsqueeze(2), value.unsqueeze(1), getattr(state, name)))
        for name in ("s_y", "s_s", "y_y"):
            setattr(state, name, torch.where(write, getattr(verdict, name).unsqueeze(1), getattr(state, name)))
        state.held = torch.where(here, where.unsqueeze(1), state.held)
        state.head = torch.remainder(state.head + where.any().long(), self.capacity)
        return verdict

    def apply_(self, state, v, h0):
        s, y, s_y, _, _, held = state.ordered()
        return recursion(s, y, s_y, held, v, h0)

    def reset_(self, state, where):
        state.held = state.held & ~where.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class OneWayAggregation(AggregatedWindow):
    """A displacement parallel to the newest takes its place; one that points backwards along it does not."""

    declares: ClassVar[frozenset[str]] = frozenset({"aggregated"})

    def store_(self, state, s, y, verdict):
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), s) / (s_s.sqrt() * verdict.s_s.sqrt())
        state.pop_(verdict.admitted & exists & (cosine > self.parallel))
        state.push_(s, y, verdict.admitted)


@dataclass(frozen=True, kw_only=True)
class StackWindow(Stacked):
    """Right: pairs which move up in place of a ring, and the two-loop recursion in float64."""

    capacity: int = 7
    test: CurvatureTest = CautiousYY()

    declares: ClassVar[frozenset[str]] = frozenset({"fifo", "newest"})


@dataclass(frozen=True, kw_only=True)
class Memoryless(Stacked):
    """Right: the newest pair alone, H and B each by its own closed formula."""

    capacity: int = 1
    test: CurvatureTest = CautiousYY()

    invertible: ClassVar[bool] = True
    declares: ClassVar[frozenset[str]] = frozenset({"invertible", "newest"})

    def apply_(self, state, v, h0):
        held, s_y = state.held[:, :1], state.newest()[0].unsqueeze(1)
        s, y = (torch.where(held, x[:, 0], 0.0) for x in (state.s, state.y))
        a = (dot(s, v).unsqueeze(1) / s_y).to(v.dtype)
        q = h0.apply_(v - a * y)
        return q + s * (a - (dot(y, q).unsqueeze(1) / s_y).to(v.dtype))

    def solve_(self, state, v, h0):
        held, s_y = state.held[:, :1], state.newest()[0].unsqueeze(1)
        s, y = (torch.where(held, x[:, 0], 0.0) for x in (state.s, state.y))
        b_s, b_v = h0.solve_(s.clone()), h0.solve_(v.clone())
        s_b_s = torch.where(held, dot(s, b_s).unsqueeze(1), 1.0)
        back = (dot(b_s, v).unsqueeze(1) / s_b_s).to(v.dtype) * b_s
        return b_v - back + (dot(y, v).unsqueeze(1) / s_y).to(v.dtype) * y


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "newest_survives_the_restart_after_twelve_pairs": PeriodicRestart,
        "one_unit_for_s_and_y_in_half_precision_overflows": HalfWindow,
        "last_of_an_odd_number_of_tensors_in_no_block": LayerWindows,
        "rank_two_terms_with_the_hy_of_an_older_h0": Corrections,
        "cosine_test_which_only_grows_stricter": CreepingTest,
        "inverse_by_four_conjugate_gradient_steps": ShortConjugateGradients,
        "ring_head_common_to_all_runs": CommonWheel,
        "antiparallel_displacement_not_aggregated": OneWayAggregation,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {"stack_window": StackWindow, "memoryless": Memoryless}
}
