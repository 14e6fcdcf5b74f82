"""Pairs of random displacements and the Hessian."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch

from adaqn_lab import Displacement, Pair, SampledHessian, Space
from adaqn_lab import state as part_state
from verification.benches import PairBench
from verification.compare import close, holds, same
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.making import bound_of, made, norms, times
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

SAMPLED_HESSIAN = Property(
    "sampled hessian",
    "`count` pairs of random s ~ radius N(0, I), y = A s, which renew the memory.",
    fields=(
        "count",
        "radius",
    ),
)


@law(
    name="sampled-hessian",
    statement="y_i = A s_i for `count` pairs, which renew the memory",
    source="S-LBFGS, Berahas, Jahani, Richtarik & Takac",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("samples_share_y", "samples_stay"),
    needs=(SAMPLED_HESSIAN,),
    inputs=contract_cases(),
)
def sampled_hessian(factory: Factory, case: ContractCase) -> None:
    """Every sample is a product with the Hessian."""
    bench = PairBench(factory(), case)
    pair, s, y = made(bench, case.v, case.partners)
    holds(pair.renews, "the memory keeps its older pairs; renews=True expected")
    holds(s.shape[1] == bench.part.count, f"{s.shape[1]} pairs, expected {bench.part.count}")
    close(y, times(case.hessians, s), bound_of(case) * norms(case.hessians) * norms(s), "y against A s")


class _Echo:
    """An oracle whose Hessian is I."""

    def hessian_vector(self, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return v.clone()


@law(
    name="sampled-noise",
    statement="sum |s_i|^2 / radius^2 ~ chi^2_{count n}; one noise for all runs, another a window, resumed bit for bit",
    source="s_i ~ radius N(0, I); Laurent & Massart 2000 for the tails. Runs together equal runs alone.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="noise",
    kills=("noise_repeats", "noise_of_its_own_for_each_run", "noise_on_part", "noise_on_sphere"),
    needs=(SAMPLED_HESSIAN,),
    inputs=contract_cases(),
)
def sampled_noise(factory: Factory, case: ContractCase) -> None:
    """The stream of noise is the state's, and has the size it should have."""
    part = replace(factory(), count=200)
    straight, resumed = PairBench(part, case), PairBench(replace(part), case)
    straight.oracle = resumed.oracle = _Echo()  # type: ignore[assignment]
    first, s, _ = made(straight, case.v, case.partners)
    degrees, size = part.count * case.n, float((s[0] ** 2).sum()) / part.radius**2
    allowed = TOLERANCES["noise"](n=degrees)
    holds(abs(size - degrees) <= allowed, f"|s / radius|^2: got {size:.6g}, {degrees} +- {allowed:.3g} expected")
    saved = {name: x.clone() for name, x in part_state.flatten({"state": straight.state}).items()}
    part_state.load_({"state": resumed.state}, saved)
    second, after = (made(bench, case.v, case.partners)[0] for bench in (straight, resumed))
    holds(not torch.equal(first.s, second.s), "the second window drew the noise of the first")
    same(after.s, second.s, "the noise of the second window, resumed, against the stream that went on")
    for pair in (first, second):
        same(pair.s, pair.s[:1].expand_as(pair.s), "the noise of every run against that of the first")


class WrongSamples(SampledHessian):
    """What the wrong samples share."""

    declares: ClassVar[tuple[str, ...]] = ("sampled hessian",)


class SamplesShareY(WrongSamples):
    """y_1 for every sample."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(state, move, oracle)
        return replace(pair, y=pair.y[:, :1].expand_as(pair.y))


class SamplesStay(WrongSamples):
    """The memory keeps its older pairs."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        return replace(super().pair_(state, move, oracle), renews=False)


class NoiseRepeats(WrongSamples):
    """The generator starts anew at each window."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        return super().pair_(replace(state), move, oracle)


class NoiseOfItsOwnForEachRun(WrongSamples):
    """Runs together are not as runs alone."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        made = [super(NoiseOfItsOwnForEachRun, self).pair_(state, move, oracle) for _ in move.s]
        s, y = (torch.stack([x[r] for r, x in enumerate(xs)]) for xs in ([p.s for p in made], [p.y for p in made]))
        return Pair(s, y, renews=True)


class NoiseOnPart(WrongSamples):
    """The generator's state is the part's, and in no checkpoint."""

    def init(self, space: Space) -> Any:
        object.__setattr__(self, "noise", super().init(space))
        return super().init(space)

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        return super().pair_(self.__dict__["noise"], move, oracle)


class NoiseOnSphere(WrongSamples):
    """|s_i| = radius: shorter by sqrt(n)."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(state, move, oracle)
        length = pair.s.norm(dim=2, keepdim=True) / self.radius
        return replace(pair, s=pair.s / length, y=pair.y / length)


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=SampledHessian,
    variations=(partial(SampledHessian, count=3, radius=0.5),),
    declares=frozenset({SAMPLED_HESSIAN}),
    laws=(
        sampled_hessian,
        sampled_noise,
    ),
    mutants=by_name(
        SamplesShareY,
        SamplesStay,
        NoiseRepeats,
        NoiseOfItsOwnForEachRun,
        NoiseOnPart,
        NoiseOnSphere,
        count=3,
        radius=0.5,
    ),
)
