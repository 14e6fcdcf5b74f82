"""Scalings and what surrounds them: layout, torch's modes, the closure's loss, idle questions, the memory's numbers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BarzilaiBorwein, Diagonal, Step
from adaqn_lab.bases import ScalingBase
from adaqn_lab.protocols import Curvature
from adaqn_lab.space import Space
from verification import ambience
from verification.bench import Setting
from verification.benches import ScalingBench
from verification.compare import close, holds, same
from verification.law import Group, Subject, law
from verification.strategies import ContractCase, contract_cases

Factory = Callable[[], Any]
ASKED = 12


def _answer(factory: Factory, case: ContractCase, setting: Setting, other: bool) -> tuple[ScalingBench, Tensor]:
    """H0 v in that setting, with another default dtype or not."""
    bench = ScalingBench(factory(), case)
    bench.setting = setting
    with ambience.default_dtype(torch.float64) if other else nullcontext():
        bench.feed_all()
        return bench, bench.read()


@law(
    name="scaling-surroundings",
    statement="H0 v is the same with step.loss or without, k an int or a tensor, strided vectors, any default dtype",
    source="adaqn_lab.protocols: with graphs=True loss is None and k a tensor; H0 takes any (R, n) vector.",
    group=Group.INVARIANCE,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("scaled_by_the_loss", "counts_ints_only", "applies_to_what_lies_beside", "root_in_the_default_dtype"),
    inputs=contract_cases(),
)
def surroundings(factory: Factory, case: ContractCase) -> None:
    """All at once; if that fails, one by one to say which."""
    bench, expected = _answer(factory, case, Setting(), False)
    _, got = _answer(factory, case, ambience.EVERYTHING, True)
    holds(got.dtype == expected.dtype, f"H0 v in {got.dtype} with another default dtype, {expected.dtype} without")
    for run in range(case.runs):
        atol = bench.atol(run)
        if bool(((got[run] - expected[run]).abs() <= atol).all()):
            continue
        for what, setting in ambience.SETTINGS.items():
            one = _answer(factory, case, setting, "dtype" in what)[1]
            close(one[run], expected[run], atol, f"H0 v of run {run} with {what}, against H0 v without")
        close(got[run], expected[run], atol, f"H0 v of run {run} with {', '.join(ambience.SETTINGS)}, against without")


@law(
    name="scaling-ordinary",
    statement="H0 v and the state are ordinary tensors, as init on the meta device says; torch's modes, its random "
    "numbers and the products that the memory tells are left as they were",
    source="adaqn_lab.protocols. Inference tensors cannot be written to; the products may be the memory's own state.",
    group=Group.CONTRACT,
    subject=Subject.SCALING,
    kills=("state_of_inference_tensors", "h0_with_a_graph", "divides_the_memory", "draws_from_everybody"),
    inputs=contract_cases(),
)
def plain(factory: Factory, case: ContractCase) -> None:
    """Only the state is the part's to change."""
    bench = ScalingBench(factory(), case)
    meta = replace(bench.space, device=torch.device("meta"))
    ambience.as_on_meta(bench.part, meta, bench.state)
    before = [x.clone() for x in bench.history.products()]
    with ambience.undisturbed():
        bench.feed_all()
        ambience.ordinary("H0 v", bench.read())
        ambience.ordinary("H0^-1 v", bench.solve(case.v))
    ambience.ordinary_state(bench.state)
    ambience.as_on_meta(bench.part, meta, bench.state)
    for name, now, old in zip(("s'y", "s's", "y'y", "held"), bench.history.products(), before, strict=True):
        same(now, old, f"{name} of the memory's pairs after H0 was asked for")


@law(
    name="scaling-asked-often",
    statement=f"asked {ASKED} times, applied to other vectors between, and H0s kept meanwhile: the same bits",
    source="adaqn_lab.protocols.InitialMatrix: H0 is asked for at every product, and writes into nothing but v.",
    group=Group.CONTRACT,
    subject=Subject.SCALING,
    kills=("seventh_question", "remembers_its_vector"),
    inputs=contract_cases(),
)
def asked_often(factory: Factory, case: ContractCase) -> None:
    """Every direction asks."""
    bench = ScalingBench(factory(), case)
    bench.feed_all()
    first = bench.read()
    for count in range(2, ASKED + 1):
        bench.apply(case.partners)
        bench.solve(case.partners)
        same(bench.read(), first, f"H0 v when asked the {count}th time, against the first")


LAWS = (surroundings, plain, asked_often)


class _ByTheLoss(AdaGrad):
    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step if step.loss is None else replace(step, g=step.g * step.loss))


class _CountsInts(AdaGrad):
    def observe_(self, state: Any, step: Step) -> None:
        if isinstance(step.k, int):
            super().observe_(state, step)


@dataclass
class _Entries:
    d: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        return v * self.d

    def solve_(self, v: Tensor) -> Tensor:
        return v / self.d


class _Beside(_Entries):
    def apply_(self, v: Tensor) -> Tensor:
        runs, n = v.shape
        return v.as_strided((runs, n), (n, 1)) * self.d


class _AppliesBeside(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Beside((state.total + self.eps).rsqrt())


class _RootInDefault(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Any:
        total: Tensor = state.total
        return _Entries((total + self.eps).to(torch.get_default_dtype()).rsqrt().to(total.dtype))


class _InferenceState(AdaGrad):
    def observe_(self, state: Any, step: Step) -> None:
        with torch.inference_mode():
            state.total = state.total + step.g * step.g


class _WithAGraph(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Any:
        with torch.enable_grad():
            return _Entries((state.total + self.eps).rsqrt() * torch.ones((), requires_grad=True))


class _DividesTheMemory(BarzilaiBorwein):
    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_y.div_(y_y), 1.0))


@dataclass
class _Noisy:
    total: Tensor
    noise: Tensor


class _Draws(ScalingBase):
    """AdaGrad with random numbers which everybody else would have got, kept in the state."""

    def init(self, space: Space) -> _Noisy:
        return _Noisy(space.zeros(), space.zeros())

    def observe_(self, state: _Noisy, step: Step) -> None:
        state.total = state.total + step.g * step.g
        state.noise = torch.rand_like(state.total)

    def h0(self, state: _Noisy, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total + 1e-3 * state.noise, eps=1e-4)


class _Seventh(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        object.__setattr__(self, "asked", getattr(self, "asked", 0) + 1)
        return Diagonal(gamma=2.0 if self.__dict__["asked"] > 7 else 1.0, squares=state.total, eps=self.eps)


class _Remembers(AdaGrad):
    """H0 v goes a little to where the last one went."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        kept = self.__dict__

        class Towards(_Entries):
            def apply_(self, v: Tensor) -> Tensor:
                d = v * self.d
                last, kept["last"] = kept.get("last", d), d
                return d + 0.1 * last if last.shape == d.shape else d

        return Towards((state.total + self.eps).rsqrt())


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "scaled_by_the_loss": _ByTheLoss,
        "counts_ints_only": _CountsInts,
        "applies_to_what_lies_beside": _AppliesBeside,
        "root_in_the_default_dtype": _RootInDefault,
        "state_of_inference_tensors": _InferenceState,
        "h0_with_a_graph": _WithAGraph,
        "divides_the_memory": _DividesTheMemory,
        "draws_from_everybody": _Draws,
        "seventh_question": _Seventh,
        "remembers_its_vector": _Remembers,
    }
}
