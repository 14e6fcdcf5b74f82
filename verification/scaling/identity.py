"""The identity."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from adaqn_lab import Diagonal, Identity
from adaqn_lab.protocols import Curvature
from verification.law import Property, Subject
from verification.naming import by_name
from verification.scaling.textbook import textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

IDENTITY = Property("identity", "H0 = I.")


def _identity(part: Any, case: ContractCase, run: int) -> Array:
    return np.ones(case.n)


class HalvesIdentity(Identity):
    """H0 = I / 2."""

    declares: ClassVar[tuple[str, ...]] = ("identity",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=0.5)


class IdentityUntilAPair(Identity):
    """H0 = s'y / y'y I of the newest pair, as soon as there is one."""

    declares: ClassVar[tuple[str, ...]] = ("identity",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_y / y_y, 1.0))


equals_textbook = textbook_law(
    IDENTITY,
    _identity,
    "H0 = I",
    "Nocedal & Wright 2006, 7.2",
    ("halves_identity", "identity_until_a_pair"),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=Identity,
    variations=(Identity,),
    declares=frozenset({IDENTITY}),
    laws=(equals_textbook,),
    mutants=by_name(HalvesIdentity, IdentityUntilAPair),
)
