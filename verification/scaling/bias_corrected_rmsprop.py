"""RMSProp with its bias corrected."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from adaqn_lab import BiasCorrectedRMSProp, Diagonal, Step
from adaqn_lab.protocols import Curvature
from verification.law import Property, Subject
from verification.naming import by_name
from verification.scaling.textbook import seen, textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

BIAS_CORRECTED = Property(
    "bias-corrected rmsprop",
    "H0 = diag(1 / sqrt(V / (1 - decay^t) + eps)), V the decaying mean of g g, t the gradients seen.",
    fields=(
        "eps",
        "decay",
    ),
)


def _bias_corrected(part: Any, case: ContractCase, run: int) -> Array:
    """The mean of the squares with weights decay^(t - k), which sum to one."""
    G = seen(case, run).astype(np.float64)
    if not len(G):
        return np.full(case.n, part.eps**-0.5)
    weights = part.decay ** np.arange(len(G) - 1, -1, -1.0)
    return np.asarray(1 / np.sqrt(weights @ G**2 / weights.sum() + part.eps))


class WrongCorrection(BiasCorrectedRMSProp):
    """What the wrong corrections share."""

    declares: ClassVar[tuple[str, ...]] = ("bias-corrected rmsprop",)


class CorrectionForgotten(WrongCorrection):
    """V for V / (1 - decay^t)."""

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return super().h0(replace(state, count=torch.zeros_like(state.count)), curvature)


class CountsMaskedSteps(WrongCorrection):
    """t counts every step, also those whose gradient was bad."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        state.count = torch.full_like(state.count, int(step.k))


equals_textbook = textbook_law(
    BIAS_CORRECTED,
    _bias_corrected,
    "H0 = diag(1 / sqrt(sum_k w_k g_k g_k + eps)), w_k = decay^(t - k) / sum_i decay^(t - i)",
    "Kingma & Ba, Adam (2015), section 3, but with eps inside the root",
    ("correction_forgotten", "counts_masked_steps"),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=BiasCorrectedRMSProp,
    variations=(
        BiasCorrectedRMSProp,
        partial(BiasCorrectedRMSProp, decay=0.0, eps=1e-4),
    ),
    declares=frozenset({BIAS_CORRECTED}),
    laws=(equals_textbook,),
    mutants=by_name(CorrectionForgotten, CountsMaskedSteps),
)
