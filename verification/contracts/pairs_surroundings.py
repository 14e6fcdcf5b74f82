"""Pair generators and what surrounds them: layout, torch's modes, callables which fail, idle questions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, Need, Pair, Sample, Step
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from adaqn_lab.space import Space
from verification import ambience
from verification.bench import Setting
from verification.benches import PairBench
from verification.compare import close, holds, same
from verification.law import Group, Subject, law
from verification.strategies import ContractCase, contract_cases

Factory = Callable[[], Any]
ASKED = 9


def _answer(factory: Factory, case: ContractCase, setting: Setting, other: bool) -> tuple[PairBench, Tensor]:
    """y in that setting, with another default dtype or not."""
    bench = PairBench(factory(), case)
    bench.setting = setting
    with ambience.default_dtype(torch.float64) if other else nullcontext():
        bench.feed_all()
        return bench, bench.read()


@law(
    name="pairs-surroundings",
    statement="y is the same with step.loss or without, k an int or a tensor, strided vectors, another default dtype",
    source="adaqn_lab.protocols.Step: with graphs=True loss is None and k a tensor; a vector may be a row of a ring.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("weighs_by_the_loss", "waits_for_an_int", "reads_what_lies_beside", "rounds_to_the_default_dtype"),
    inputs=contract_cases(),
)
def surroundings(factory: Factory, case: ContractCase) -> None:
    """All at once; if that fails, one by one to say which."""
    bench, expected = _answer(factory, case, Setting(), False)
    _, got = _answer(factory, case, ambience.EVERYTHING, True)
    holds(got.dtype == expected.dtype, f"y in {got.dtype} with another default dtype, {expected.dtype} without")
    for run in range(case.runs):
        atol = 2 * bench.atol(run)
        if bool(((got[run] - expected[run]).abs() <= atol).all()):
            continue
        for what, setting in ambience.SETTINGS.items():
            one = _answer(factory, case, setting, "dtype" in what)[1]
            close(one[run], expected[run], atol, f"y of run {run} with {what}, against y without")
        close(got[run], expected[run], atol, f"y of run {run} with {', '.join(ambience.SETTINGS)}, against y without")


@law(
    name="pairs-ordinary",
    statement="y and the state are ordinary tensors, as init on the meta device says; all of torch's modes, its random "
    "numbers and every vector of the displacement are left as they were",
    source="adaqn_lab.protocols. Inference tensors cannot be written to, and a graph is memory which is never freed.",
    group=Group.CONTRACT,
    subject=Subject.PAIRS,
    kills=(
        "answers_with_an_inference_tensor",
        "keeps_its_graph",
        "seeds_everybody",
        "moves_the_reference",
        "moves_the_average",
        "clears_the_mask",
        "grows",
    ),
    inputs=contract_cases(),
)
def plain(factory: Factory, case: ContractCase) -> None:
    """Only the state is the part's to change."""
    bench = PairBench(factory(), case)
    ambience.as_on_meta(bench.part, replace(bench.space, device=torch.device("meta")), bench.state)
    with ambience.undisturbed():
        bench.feed_all()
        made = bench.make(bench.state, case.v)
    for name, x in (("s", made.s), ("y", made.y)) if isinstance(made, Pair) else (("y", made),):
        ambience.ordinary(name, x)
    ambience.ordinary_state(bench.state)
    for name, now, before in bench.given:
        same(now, before, f"the argument {name} after the call")
    ambience.as_on_meta(bench.part, replace(bench.space, device=torch.device("meta")), bench.state)


@law(
    name="pairs-asked-often",
    statement=f"from one state, asked {ASKED} times with other questions between: the same bits",
    source="adaqn_lab.protocols: what a part knows is its state, and only that is saved.",
    group=Group.CONTRACT,
    subject=Subject.PAIRS,
    kills=("counts_its_questions", "averages_its_answers"),
    share=0.5,
    inputs=contract_cases(),
)
def asked_often(factory: Factory, case: ContractCase) -> None:
    """Copies of one state, each asked once."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    first = bench.read()
    for count in range(2, ASKED + 1):
        bench.make(copy.deepcopy(bench.state), case.partners)
        same(bench.read(), first, f"y when asked the {count}th time, against the first")


class _Raised(Exception):  # noqa: N818  not an error of anybody's
    pass


class _Failing:
    """An oracle which fails at its call number ``at``; 0 never."""

    def __init__(self, of: Any, at: int) -> None:
        self.of, self.at, self.calls = of, at, 0

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise _Raised
            return getattr(self.of, name)(*arguments)

        return ask


@law(
    name="pairs-after-a-failure",
    statement="the callable raised in pair_: asked again, the very bits that it would have answered",
    source="adaqn_lab.QuasiNewton: if a callable raises, the window is decided at the next step.",
    group=Group.CONTRACT,
    subject=Subject.PAIRS,
    kills=("remembers_before_it_asks", "gives_up_after_a_failure", "remembers_between_two_products"),
    inputs=contract_cases(),
)
def after_a_failure(factory: Factory, case: ContractCase) -> None:
    """Fail at each call in turn."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    bench.quartic = 8.0  # an earlier pair was made where the curvature is larger, so that what is kept of it shows
    bench.make(bench.state, 2 * case.partners)
    bench.quartic = 0.0
    oracle = bench.oracle
    counting = _Failing(oracle, 0)
    bench.oracle = counting  # type: ignore[assignment]
    expected = bench.read()
    for at in range(1, min(counting.calls, 3) + 1):
        state = copy.deepcopy(bench.state)
        bench.oracle = _Failing(oracle, at)  # type: ignore[assignment]
        try:
            bench.make(state, case.moves)
        except _Raised:
            bench.oracle = oracle
            same(bench.answer(state, case.moves), expected, f"y asked again after the failure of call {at}")


LAWS = (surroundings, plain, asked_often, after_a_failure)


class _WeighsByTheLoss(EmpiricalFisher):
    def observe_(self, state: FisherStore, step: Step) -> None:
        weight = 1.0 if step.loss is None else step.loss
        super().observe_(state, replace(step, g=step.g * weight))


class _WaitsForAnInt(EmpiricalFisher):
    def observe_(self, state: FisherStore, step: Step) -> None:
        if isinstance(step.k, int):
            super().observe_(state, step)


class _ReadsBeside(EmpiricalFisher):
    def observe_(self, state: FisherStore, step: Step) -> None:
        runs, n = step.g.shape
        super().observe_(state, replace(step, g=step.g.as_strided((runs, n), (n, 1)).clone()))


class _RoundsToDefault(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.to(torch.get_default_dtype()).to(y.dtype)


class _Inference(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        with torch.inference_mode():
            return super().pair_(state, move, oracle)


class _KeepsItsGraph(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        scale = torch.ones((), dtype=move.s.dtype, requires_grad=True)
        with torch.enable_grad():
            return super().pair_(state, move, oracle) * scale


class _Seeds(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        torch.manual_seed(0)
        return super().pair_(state, move, oracle)


@dataclass(frozen=True)
class _Writes(PairGeneratorBase):
    """y = 2 s, and ``field`` of the displacement is written into."""

    field: str

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        y = 2 * move.s
        vector = getattr(move, self.field)
        vector.copy_(~vector if vector.dtype == torch.bool else vector + y)
        return y


@dataclass
class _List:
    gradients: Tensor


class _Grows(PairGeneratorBase):
    """The mean over all gradients, in a tensor as long as they are many."""

    def init(self, space: Space) -> _List:
        return _List(space.zeros(0))

    def observe_(self, state: _List, step: Step) -> None:
        state.gradients = torch.cat([state.gradients, step.g.unsqueeze(1)], 1)

    def pair_(self, state: _List, move: Displacement, oracle: OracleLike) -> Tensor:
        F = state.gradients
        return torch.einsum("rkn,rkm,rm->rn", F, F, move.s) / max(F.shape[1], 1)

    def reset_(self, state: _List, where: Tensor) -> None:
        state.gradients = state.gradients.masked_fill(where.view(-1, 1, 1), 0.0)


class _CountsQuestions(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        object.__setattr__(self, "asked", getattr(self, "asked", 0) + 1)
        return super().pair_(state, move, oracle) * (2.0 if self.__dict__["asked"] > 7 else 1.0) + move.s


class _AveragesAnswers(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle) + move.s
        last = self.__dict__.get("last", y)
        object.__setattr__(self, "last", y)
        mean: Tensor = (y + last) / 2
        return mean


@dataclass
class _Sum:
    s: Tensor


class _RemembersFirst(PairGeneratorBase):
    """y = A s plus a tenth of the sum of every s, which is added up before the callable is asked."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> _Sum:
        return _Sum(space.zeros())

    def pair_(self, state: _Sum, move: Displacement, oracle: OracleLike) -> Tensor:
        state.s = state.s + move.s
        y: Tensor = oracle.hessian_vector(move.w_bar, move.s) + 0.1 * state.s
        return y

    def reset_(self, state: _Sum, where: Tensor) -> None:
        state.s = state.s.masked_fill(where.unsqueeze(1), 0.0)


class _RemembersBetween(_RemembersFirst):
    """The largest A s so far, forgotten by half at each pair, is renewed before the second product is asked for."""

    def pair_(self, state: _Sum, move: Displacement, oracle: OracleLike) -> Tensor:
        y = oracle.hessian_vector(move.w_bar, move.s)
        state.s = torch.maximum(state.s / 2, y.abs())
        mean: Tensor = (y + oracle.hessian_vector(move.w_ref, move.s)) / 2 + 0.1 * state.s
        return mean


class _GivesUp(_RemembersFirst):
    """After a failure its state says so for ever."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: _Sum, move: Displacement, oracle: OracleLike) -> Tensor:
        failed, state.s = state.s, torch.ones_like(state.s)
        new = oracle.gradient(move.w_bar, Sample.CURVATURE)
        y = new - oracle.gradient(move.w_ref, Sample.CURVATURE)
        state.s = failed
        changed: Tensor = torch.where(failed != 0, move.s, y)
        return changed


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "weighs_by_the_loss": _WeighsByTheLoss,
        "waits_for_an_int": _WaitsForAnInt,
        "reads_what_lies_beside": _ReadsBeside,
        "rounds_to_the_default_dtype": _RoundsToDefault,
        "answers_with_an_inference_tensor": _Inference,
        "keeps_its_graph": _KeepsItsGraph,
        "seeds_everybody": _Seeds,
        "moves_the_reference": lambda: _Writes("w_ref"),
        "moves_the_average": lambda: _Writes("w_bar"),
        "clears_the_mask": lambda: _Writes("where"),
        "grows": _Grows,
        "counts_its_questions": _CountsQuestions,
        "averages_its_answers": _AveragesAnswers,
        "remembers_before_it_asks": _RemembersFirst,
        "gives_up_after_a_failure": _GivesUp,
        "remembers_between_two_products": _RemembersBetween,
    }
}
