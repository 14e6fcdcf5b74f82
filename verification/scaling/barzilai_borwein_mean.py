"""The mean of the scalings of Barzilai and Borwein."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import BarzilaiBorweinMean
from verification.law import Property, Subject
from verification.naming import by_name
from verification.references import scalings
from verification.scaling.textbook import textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

BARZILAI_BORWEIN_MEAN = Property(
    "barzilai-borwein mean", "H0 = mean(s'y / y'y) I over the pairs held.", fields=("initial",)
)


def _barzilai_borwein_mean(part: Any, case: ContractCase, run: int) -> Array:
    if not case.paired[run]:
        return np.full(case.n, part.initial)
    S, Y = (x[run][case.masks[:, run]] for x in case.pairs)
    S, Y = np.vstack([S, case.v[run]]), np.vstack([Y, case.partners[run]])
    each = [scalings.barzilai_borwein(s, y, case.n) for s, y in zip(S, Y, strict=True)]
    return np.asarray(np.mean(each, axis=0))


class WrongMean(BarzilaiBorweinMean):
    """What the wrong means share."""

    declares: ClassVar[tuple[str, ...]] = ("barzilai-borwein mean",)


class MeanOverEmptySlots(WrongMean):
    """Divides by the slots, not by the pairs held."""

    def _gamma(self, history: Any) -> Tensor:
        held = history.products()[3]
        share = held.sum(dim=1) / held.shape[1]
        return super()._gamma(history) * torch.where(share > 0, share, 1.0)


class NewestForMean(WrongMean):
    """gamma of the newest pair."""

    def _gamma(self, history: Any) -> Tensor:
        s_y, _, y_y, exists = history.newest()
        return torch.where(exists, s_y / y_y, self.initial)


class RatioOfSums(WrongMean):
    """sum s'y / sum y'y for the mean of the ratios."""

    def _gamma(self, history: Any) -> Tensor:
        s_y, _, y_y, held = history.products()
        gamma = torch.where(held, s_y, 0.0).sum(1) / torch.where(held, y_y, 0.0).sum(1)
        return torch.where(held.any(dim=1), gamma, self.initial)


class InitialIsOne(WrongMean):
    """I before there is a pair, whatever the field says."""

    def _gamma(self, history: Any) -> Tensor:
        held = history.products()[3].any(dim=1)
        return torch.where(held, super()._gamma(history), 1.0)


equals_textbook = textbook_law(
    BARZILAI_BORWEIN_MEAN,
    _barzilai_borwein_mean,
    "H0 = mean(s'y / y'y) I over the pairs held, initial I without one",
    "oLBFGS, Schraudolph, Yu & Guenter 2007",
    ("mean_over_empty_slots", "newest_for_mean", "ratio_of_sums", "initial_is_one"),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=BarzilaiBorweinMean,
    variations=(
        BarzilaiBorweinMean,
        partial(BarzilaiBorweinMean, initial=1e-10),
    ),
    declares=frozenset({BARZILAI_BORWEIN_MEAN}),
    laws=(equals_textbook,),
    mutants=by_name(MeanOverEmptySlots, NewestForMean, RatioOfSums, InitialIsOne, initial=0.5),
)
