"""H of every memory is one symmetric positive definite matrix, H0 where no pair is held, and B its inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Space
from adaqn_lab.protocols import InitialMatrix
from verification.compare import close, holds
from verification.law import Factory, Group, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.parts import Array, tensor
from verification.textbook_memory import TextbookMemory
from verification.tolerances import TOLERANCES, roundoff

SHARE = 0.15
FAR = 2.0**40
"""A length of v at which a clipped or shifted answer shows."""


def norms(v: Tensor | Array) -> Array:
    """|v| of each run, float64."""
    result: Array = np.linalg.norm(np.asarray(v, dtype=np.float64), axis=1)
    return result


@law(
    name="memory-matrix",
    statement="u'Hv = v'Hu, H(2u - v/4) = 2Hu - Hv/4, H(tv) = tHv, H 0 = 0, v'Hv > 0: any pairs, also of a full memory",
    source="Nocedal & Wright 2006, (6.17): the update of a symmetric positive definite matrix by s'y > 0 is one.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=(
        *("adds_the_neighbour", "clips_the_answer", "uphill_when_full", "keeps_the_length", "forgets_an_entry"),
        *("turns_with_every_pair", "reverses_the_ninth_pair", "divides_by_the_largest_entry", "moves_off_zero"),
    ),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_matrix(factory: Factory, case: MemoryStream) -> None:
    """Whatever the memory is: linear, symmetric, positive definite, for every run and at every length."""
    bench = StreamBench(factory, case)
    for place in bench.stops():
        H = bench.matrix()
        atol = bench.allowed(H)
        what = f"after {place} pairs"
        close(H, H.transpose(0, 2, 1), atol[:, None, None], f"H against H' of each run {what}")
        _is_linear(bench, H, atol, what)
        least, most = np.linalg.eigvalsh((H + H.transpose(0, 2, 1)) / 2)[:, [0, -1]].T
        floor = case.n * roundoff(case.dtype) * most
        text = (
            f"the smallest eigenvalue of each run's H {what}: got {least.tolist()}, more than {floor.tolist()} expected"
        )
        holds(bool((least > floor).all()), text)


def _is_linear(bench: StreamBench, H: Array, atol: Array, what: str) -> None:
    """H of sums, of multiples and, for every second run, of zeros, against the columns of H."""
    u, v = (tensor(x[list(bench.rows)]) for x in bench.case.vectors)
    for x, name in ((2 * u - v / 4, "H(2u - v/4)"), (FAR * v, "H(tv), t = 2^40,"), (v / FAR, "H(tv), t = 2^-40,")):
        got, expected = bench.apply(x).double().numpy(), np.einsum("rij,rj->ri", H, x.double().numpy())
        close(got, expected, (atol * norms(x))[:, None], f"{name} against the columns of H {what}")
    still = bench.apply(torch.where(torch.arange(len(v)).unsqueeze(1) % 2 == 0, 0.0, v))
    close(still[::2], torch.zeros_like(still[::2]), 0.0, f"H 0 {what}")
    close(still[1::2], bench.apply(v)[1::2], atol[1::2, None] * norms(v)[1::2, None], f"H v beside an H 0 {what}")


@law(
    name="memory-no-pairs",
    statement="no pair, or a reset: H v = H0 v and B v = H0^-1 v for the H0 of now; newest() says that there is none",
    source="adaqn_lab.protocols: H v with the pairs held around h0.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("identity_without_pairs", "keeps_the_first_h0", "reset_forgets_the_place", "third_tensor_without_h0"),
    unless=("shifted",),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_no_pairs(factory: Factory, case: MemoryStream) -> None:
    """Before the first pair, and after a memory of any length was reset."""
    bench = StreamBench(factory, replace(case, cut=case.seed % 2 * max(1, case.n // 3)))
    for place in bench.stops():
        if place:
            bench.reset(np.ones(case.runs, bool))
        what = f"after {place} pairs and a reset" if place else "before any pair"
        h0 = case.h0s[place].astype(np.float64)
        products = [("H v", bench.apply(case.v), h0 * case.v)]
        if bench.part.invertible:
            products.append(("B v", bench.solve_for(tensor(case.v)), case.v / h0))
        for name, got, expected in products:
            close(got, expected, TOLERANCES["linear"](case.dtype) * np.abs(expected), f"{name} {what}")
        holds(not bench.state.newest()[3].any(), f"newest() says that there is a pair {what}")


@law(
    name="memory-inverse-later",
    statement="invertible: B(Hv) = v, B 0 = 0 with any pairs, past twice the capacity; else `solve_` raises TypeError",
    source="adaqn_lab.protocols: MemoryPolicy. B = H^-1.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("solves_with_h0", "solves_without_the_oldest", "solves_nothing", "inverse_off_zero"),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_inverse_later(factory: Factory, case: MemoryStream) -> None:
    """One and the same matrix, there and back."""
    bench = StreamBench(factory, case)
    for place in bench.stops():
        if not bench.part.invertible:
            return _raises_type_error(bench)
        H = bench.matrix()
        atol = bench.allowed(H) * np.linalg.norm(np.linalg.inv(H), 2, axis=(1, 2)) * norms(case.v)
        got = bench.solve_for(bench.apply(case.v))
        close(got, case.v, atol[:, None], f"B(Hv) against v after {place} pairs")
        zero = torch.zeros_like(got)
        close(bench.solve_for(zero.clone()), zero, 0.0, f"B 0 after {place} pairs")
    return None


def _raises_type_error(bench: StreamBench) -> None:
    try:
        bench.part.solve_(bench.state, tensor(bench.case.v), bench.h0())
    except TypeError:
        return
    raise AssertionError("solve_ answered although `invertible` is False; it raises TypeError, or invertible is True")


LAWS = (memory_matrix, memory_no_pairs, memory_inverse_later)


class _WrongAnswer(TextbookMemory):
    """The two loops, and something done to their answer."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return self.spoil(state, v, super().apply_(state, v, h0))

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return d


class AddsTheNeighbour(_WrongAnswer):
    """H + 0.001 P, P a cyclic permutation: not symmetric, and v'Hv > 0 all the same."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return torch.where((state.count > 0).unsqueeze(1), d + 1e-3 * v.roll(1, 1), d)


class ClipsTheAnswer(_WrongAnswer):
    """No entry of H v is larger than 5: "for stability"."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return d.clamp(-5, 5)


class UphillWhenFull(_WrongAnswer):
    """-H v from the time when every slot is taken."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return torch.where((state.count == self.capacity).unsqueeze(1), -d, d)


class KeepsTheLength(_WrongAnswer):
    """H v as long as v."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return d * (v.norm(dim=1) / d.norm(dim=1).clamp(min=1e-30)).unsqueeze(1) if state.count.any() else d


class ForgetsAnEntry(_WrongAnswer):
    """The first entry of H v is zero with three pairs or more: H is singular."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        keep = torch.arange(v.shape[1]) > 0
        return torch.where((state.count > 2).unsqueeze(1) & ~keep, 0.0, d)


class TurnsWithEveryPair(_WrongAnswer):
    """A skew part which grows with the number of pairs."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        skew = v.roll(1, 1) - v.roll(-1, 1)
        size: Tensor = 1e-4 * state.count.to(v.dtype).unsqueeze(1)
        return d + size * skew


class ReversesTheNinthPair(TextbookMemory):
    """From the ninth pair on the second loop takes the displacements in the other order."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        late = (state.count > 8).view(-1, 1, 1)
        return super().apply_(replace(state, s=torch.where(late, state.s.flip(1), state.s)), v, h0)


class DividesByTheLargestEntry(TextbookMemory):
    """v / max |v|, and H v times it: "against overflow"."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        largest = v.abs().amax(dim=1, keepdim=True)
        return super().apply_(state, v / largest, h0) * largest


class MovesOffZero(_WrongAnswer):
    """Where H v is zero it answers with 1e-12 "so that something moves"."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return torch.where((d == 0).all(dim=1, keepdim=True), 1e-12, d)


class InverseOffZero(TextbookMemory):
    """B v by a division by |v| of a matrix which it solves."""

    invertible: ClassVar[bool] = True

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        columns = [self.apply_(state, e.expand_as(v).clone(), h0) for e in torch.eye(v.shape[1], dtype=v.dtype)]
        length = v.norm(dim=1, keepdim=True)
        unit = torch.linalg.solve(torch.stack(columns, 2), (v / length).unsqueeze(2)).squeeze(2)
        result: Tensor = unit * length
        return result


class IdentityWithoutPairs(_WrongAnswer):
    """Without pairs steepest descent, H0 is left out."""

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        return torch.where((state.count == 0).unsqueeze(1), v, d)


class ThirdTensorWithoutH0(_WrongAnswer):
    """Parameters are taken two tensors at a time, a weight and its bias: what is left over is not multiplied by H0."""

    def init(self, space: Space) -> Any:
        vars(self)["end"] = sum(space.sizes[:2]) or space.size
        return super().init(space)

    def spoil(self, state: Any, v: Tensor, d: Tensor) -> Tensor:
        end = vars(self)["end"]
        return torch.cat([d[:, :end], v[:, end:]], 1)


class KeepsTheFirstH0(TextbookMemory):
    """H0 is read once and kept on the part."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        kept = vars(self).setdefault("_h0", h0)
        return super().apply_(state, v, kept)


class ResetForgetsThePlace(TextbookMemory):
    """A full memory is not reset."""

    def reset_(self, state: Any, where: Tensor) -> None:
        super().reset_(state, where & (state.count < self.capacity))


class SolvesWithH0(TextbookMemory):
    """B v = H0^-1 v, whatever the pairs are."""

    invertible: ClassVar[bool] = True

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return h0.solve_(v)


class SolvesWithoutTheOldest(TextbookMemory):
    """B v solves with the matrix in which a full memory's oldest pair is left out."""

    invertible: ClassVar[bool] = True

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        fewer = replace(state, count=torch.where(state.count == self.capacity, state.count - 1, state.count))
        columns = [self.apply_(fewer, e.expand_as(v).clone(), h0) for e in torch.eye(v.shape[1], dtype=v.dtype)]
        result: Tensor = torch.linalg.solve(torch.stack(columns, 2), v.unsqueeze(2)).squeeze(2)
        return result


class SolvesNothing(TextbookMemory):
    """Says that it has no products with B, and answers with v."""

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return v


_Wrong = Callable[[], Any]
MUTANTS: dict[Subject, dict[str, _Wrong]] = {
    Subject.MEMORY: {
        "adds_the_neighbour": AddsTheNeighbour,
        "clips_the_answer": ClipsTheAnswer,
        "uphill_when_full": UphillWhenFull,
        "keeps_the_length": KeepsTheLength,
        "forgets_an_entry": ForgetsAnEntry,
        "turns_with_every_pair": TurnsWithEveryPair,
        "reverses_the_ninth_pair": ReversesTheNinthPair,
        "divides_by_the_largest_entry": DividesByTheLargestEntry,
        "moves_off_zero": MovesOffZero,
        "inverse_off_zero": InverseOffZero,
        "identity_without_pairs": IdentityWithoutPairs,
        "keeps_the_first_h0": KeepsTheFirstH0,
        "third_tensor_without_h0": ThirdTensorWithoutH0,
        "reset_forgets_the_place": ResetForgetsThePlace,
        "solves_with_h0": SolvesWithH0,
        "solves_without_the_oldest": SolvesWithoutTheOldest,
        "solves_nothing": SolvesNothing,
    }
}
