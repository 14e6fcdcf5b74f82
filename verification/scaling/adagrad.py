"""AdaGrad."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, Diagonal, Space, Step
from adaqn_lab.diagonal import Entries
from adaqn_lab.protocols import Curvature
from adaqn_lab.scaling.adagrad import SquareSum
from verification.benches import ScalingBench
from verification.compare import same
from verification.law import Factory, Group, Property, Subject, law
from verification.matrices import Product
from verification.naming import by_name
from verification.references import scalings
from verification.scaling.textbook import seen, textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase, contract_cases

ADAGRAD = Property("adagrad", "H0 = diag(1 / sqrt(sum g g + eps)).", fields=("eps",))


def _adagrad(part: Any, case: ContractCase, run: int) -> Array:
    return scalings.adagrad(seen(case, run), part.eps)


@law(
    name="scaling-loss-scale",
    statement="g -> 4g and eps -> 16 eps: H0 -> H0 / 4, bit for bit",
    source="H0 is inverse to the root of the mean or sum of squared gradients, eps inside the root.",
    group=Group.INVARIANCE,
    subject=Subject.SCALING,
    kills=("eps_outside_root", "missing_root"),
    inputs=contract_cases(),
)
def scaling_loss_scale(factory: Factory, case: ContractCase) -> None:
    """AdaGrad-like scalings go inversely with the loss, if eps goes with its square."""
    part = factory()
    small, large = ScalingBench(part, case), ScalingBench(replace(part, eps=16 * part.eps), case)
    for k in range(case.items):
        for bench, scale in ((small, 1), (large, 4)):
            bench.part.observe_(bench.state, bench.step(scale * case.rows[:, k], case.masks[k]))
    same(large.read(), small.read() / 4, "H0 v from gradients 4g against H0 v / 4")


adagrad_loss_scale = replace(scaling_loss_scale, name="adagrad-loss-scale", needs=frozenset({ADAGRAD}))


class WrongAdaGrad(AdaGrad):
    """What the wrong AdaGrads share."""

    declares: ClassVar[tuple[str, ...]] = ("adagrad",)


class GradientAsScaling(WrongAdaGrad):
    """stochQN (commit 73e6132): g / sqrt(G + eps) is used as the diagonal and multiplied by g once more."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(lambda v: right.apply_(v.square()), right)


class SignOfGradient(WrongAdaGrad):
    """H0 |v|."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(lambda v: right.apply_(v.abs()), right)


class NormalisesDirection(WrongAdaGrad):
    """H0 v / |H0 v|."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)

        def product(v: Tensor) -> Tensor:
            p = right.apply_(v)
            length: Tensor = torch.linalg.vector_norm(p, dim=1, keepdim=True)
            return p / length.clamp(min=1e-30)

        return Product(product, right)


class AccumulatorNeverUpdated(WrongAdaGrad):
    """minSQN with 'ADAGRAD': G stays zero, and H0 is a constant."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        pass


class EpsOutsideRoot(WrongAdaGrad):
    """sqrt(G) + eps, as torch.optim.Adagrad has it: another method."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        return Entries(inverse=state.total.sqrt() + self.eps)


class EpsForgotten(WrongAdaGrad):
    """1 / sqrt(G): infinite for a parameter that had no gradient yet."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total)


class MissingRoot(WrongAdaGrad):
    """1 / (G + eps)."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        return Entries(inverse=state.total + self.eps)


class SumForMean(WrongAdaGrad):
    """Accumulates the running mean where the sum belongs."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        share = 1 / int(step.k)
        state.total.mul_(1 - share).addcmul_(step.g, step.g, value=share)


@dataclass
class Delayed(SquareSum):
    """The sum and the last square, which is not in it yet."""

    last: Tensor


class CurrentGradientLeftOut(WrongAdaGrad):
    """The accumulator is used before the current gradient enters it."""

    def init(self, space: Space) -> Delayed:
        return Delayed(space.zeros(), space.zeros())

    def observe_(self, state: Any, step: Step) -> None:
        state.total.add_(state.last)
        state.last = step.g.square()


class AccumulatesWhenApplied(WrongAdaGrad):
    """Every application is taken for a gradient: damping or a solver pollutes H0 (minSQN)."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)

        def product(v: Tensor) -> Tensor:
            state.total.addcmul_(v, v)
            return right.apply_(v)

        return Product(product, right)


class StaleH0(WrongAdaGrad):
    """eps is scaled with the first gradient's square sum only: H0 stops where it began."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        fresh = state.total.abs().sum(dim=1, keepdim=True) == 0
        state.total.add_(torch.where(fresh, step.g.square(), 0.0))


equals_textbook = textbook_law(
    ADAGRAD,
    _adagrad,
    "H0 = diag(1 / sqrt(sum_k g_k g_k + eps)), the current g included",
    "Duchi, Hazan & Singer 2011; Keskar & Berahas 2016",
    (
        "gradient_as_scaling",
        "accumulator_never_updated",
        "current_gradient_left_out",
        "eps_outside_root",
        "sum_for_mean",
        "stale_h0",
    ),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=AdaGrad,
    variations=(
        AdaGrad,
        partial(AdaGrad, eps=2.0**-26),
    ),
    declares=frozenset({ADAGRAD}),
    laws=(
        equals_textbook,
        adagrad_loss_scale,
    ),
    mutants=by_name(
        GradientAsScaling,
        SignOfGradient,
        NormalisesDirection,
        AccumulatorNeverUpdated,
        EpsOutsideRoot,
        EpsForgotten,
        MissingRoot,
        SumForMean,
        CurrentGradientLeftOut,
        StaleH0,
        AccumulatesWhenApplied,
    ),
)
