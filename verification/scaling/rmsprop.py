"""RMSProp."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch

from adaqn_lab import Diagonal, RMSProp, Step
from adaqn_lab.diagonal import Entries
from adaqn_lab.protocols import Curvature
from adaqn_lab.scaling.rmsprop import SquareMean
from verification.law import Property, Subject
from verification.naming import by_name
from verification.references import scalings
from verification.scaling.adagrad import scaling_loss_scale
from verification.scaling.textbook import seen, textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

RMSPROP = Property(
    "rmsprop",
    "H0 = diag(1 / sqrt(V + eps)), V the decaying mean of g g.",
    fields=(
        "eps",
        "decay",
    ),
)


def _rmsprop(part: Any, case: ContractCase, run: int) -> Array:
    return scalings.rmsprop(seen(case, run), part.eps, part.decay)


rmsprop_loss_scale = replace(
    scaling_loss_scale,
    name="rmsprop-loss-scale",
    needs=frozenset({RMSPROP}),
    kills=("rmsprop_eps_outside_root", "rmsprop_missing_root"),
)


class WrongRMSProp(RMSProp):
    """What the wrong RMSProps share."""

    declares: ClassVar[tuple[str, ...]] = ("rmsprop",)


class RmspropNeverUpdated(WrongRMSProp):
    """V stays zero."""

    def observe_(self, state: SquareMean, step: Step) -> None:
        pass


class RmspropEpsOutsideRoot(WrongRMSProp):
    """sqrt(V) + eps."""

    def h0(self, state: SquareMean, curvature: Curvature) -> Any:
        return Entries(inverse=state.mean.sqrt() + self.eps)


class RmspropMissingRoot(WrongRMSProp):
    """1 / (V + eps)."""

    def h0(self, state: SquareMean, curvature: Curvature) -> Any:
        return Entries(inverse=state.mean + self.eps)


class ForgetsMask(WrongRMSProp):
    """V decays for every run, also for those whose gradient was bad."""

    def observe_(self, state: SquareMean, step: Step) -> None:
        super().observe_(state, replace(step, where=torch.ones_like(step.where)))


class DecaysMaskedRuns(ForgetsMask):
    """The same fault by its other name: a skipped step still forgets."""


class BiasCorrected(WrongRMSProp):
    """V / (1 - decay^k) for V, unasked: Adam's correction."""

    def h0(self, state: SquareMean, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.mean / (1 - self.decay), eps=self.eps)


class ZeroGradientIsNone(WrongRMSProp):
    """V does not decay where the gradient is zero, as if the step had been skipped."""

    def observe_(self, state: SquareMean, step: Step) -> None:
        super().observe_(state, replace(step, where=step.where & (step.g != 0).any(dim=1)))


equals_textbook = textbook_law(
    RMSPROP,
    _rmsprop,
    "H0 = diag(1 / sqrt(V + eps)), V <- decay V + (1 - decay) g g",
    "minSQN, mode 'RMS'",
    (
        "rmsprop_never_updated",
        "rmsprop_eps_outside_root",
        "decays_masked_runs",
        "bias_corrected",
        "zero_gradient_is_none",
    ),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=RMSProp,
    variations=(
        RMSProp,
        partial(RMSProp, decay=0.0, eps=1e-8),
    ),
    declares=frozenset({RMSPROP}),
    laws=(
        equals_textbook,
        rmsprop_loss_scale,
    ),
    mutants=by_name(
        RmspropNeverUpdated,
        RmspropEpsOutsideRoot,
        RmspropMissingRoot,
        ForgetsMask,
        DecaysMaskedRuns,
        BiasCorrected,
        ZeroGradientIsNone,
    ),
)
