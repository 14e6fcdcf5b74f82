"""The scaling of Barzilai and Borwein by the newest pair."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from adaqn_lab import BarzilaiBorwein, Diagonal
from adaqn_lab.protocols import Curvature
from verification.law import Property, Subject
from verification.naming import by_name
from verification.references import scalings
from verification.scaling.textbook import textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

BARZILAI_BORWEIN = Property("barzilai-borwein", "H0 = (s'y / y'y) I of the newest pair.")


def _barzilai_borwein(part: Any, case: ContractCase, run: int) -> Array:
    s, y = (case.v[run], case.partners[run]) if case.paired[run] else (None, None)
    return scalings.barzilai_borwein(s, y, case.n)


class FirstBarzilaiBorwein(BarzilaiBorwein):
    """s's / s'y where s'y / y'y belongs."""

    declares: ClassVar[tuple[str, ...]] = ("barzilai-borwein",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, s_s, _, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_s / s_y, 1.0))


class ForgetsThatThereIsNoPair(BarzilaiBorwein):
    """gamma = 0 before there is a pair: the first steps go nowhere."""

    declares: ClassVar[tuple[str, ...]] = ("barzilai-borwein",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_y / y_y, 0.0))


equals_textbook = textbook_law(
    BARZILAI_BORWEIN,
    _barzilai_borwein,
    "H0 = (s'y / y'y) I of the newest pair, I without one",
    "Liu & Nocedal 1989",
    ("first_barzilai_borwein", "forgets_that_there_is_no_pair"),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=BarzilaiBorwein,
    variations=(BarzilaiBorwein,),
    declares=frozenset({BARZILAI_BORWEIN}),
    laws=(equals_textbook,),
    mutants=by_name(FirstBarzilaiBorwein, ForgetsThatThereIsNoPair),
)
