"""Other libraries' L-BFGS behind one plain function: ``direction(S, Y, h0, g) -> H g``.

``S``, ``Y`` are (m, n) with the oldest pair first, ``h0`` (n,) is the diagonal of H0, ``g`` is (n,); NumPy arrays
of one floating dtype, in which the library computes if it can. Each adapter runs the library's own code, none
copies it. ``LIBRARIES`` names them all; one whose library is not installed raises ``ImportError`` when loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from verification.adapters.driving import Drive

Direction = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]


SQUARE_ROOTS = "SciPy has H0 = I; the adapter emulates another by square roots, which round"
CHANGING_H0 = "its H0 is a multiple of the identity"


@dataclass(frozen=True)
class Library:
    """One implementation: where its adapter is, and what it cannot do, so that no law asks for it.

    ``direction`` and ``drive`` are the adapter's functions ("" if the library has no such thing): the operator, and
    the library's own steps. ``scalar_h0``: H0 may only be a multiple of the identity. ``dtypes``: in which the
    library computes. ``cannot``: law -> why it does not apply.
    """

    name: str
    module: str
    requires: str
    direction: str = "direction"
    drive: str = "drive"
    scalar_h0: bool = False
    dtypes: tuple[str, ...] = ("float64", "float32")
    cannot: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Direction | None:
        """The adapter's direction function, if any; raises ``ImportError`` where the library is missing."""
        importlib.import_module(self.requires)
        module = importlib.import_module(self.module)
        direction: Direction | None = getattr(module, self.direction) if self.direction else None
        return direction

    def load_drive(self) -> Drive | None:
        """The adapter's drive function, None if there is none; raises ``ImportError`` as above."""
        importlib.import_module(self.requires)
        module = importlib.import_module(self.module)
        drive: Drive | None = getattr(module, self.drive) if self.drive else None
        return drive


LIBRARIES = (
    Library("adaqn_lab", "verification.adapters.adaqn_history", "torch"),
    Library(
        "adaqn_lab, cosine test", "verification.adapters.adaqn_history", "torch", direction="", drive="drive_cosine"
    ),
    Library("adaqn_lab.two_loop", "verification.adapters.adaqn_two_loop", "torch", drive=""),
    Library("torch.optim.LBFGS", "verification.adapters.torch_lbfgs", "torch"),
    Library(
        "SciPy L-BFGS-B",
        "verification.adapters.scipy_lbfgsb",
        "scipy",
        dtypes=("float64",),
        cannot={"units": SQUARE_ROOTS},
    ),
    Library(
        "optax.lbfgs",
        "verification.adapters.optax_lbfgs",
        "optax",
        scalar_h0=True,
        cannot={"diagonal-variables": CHANGING_H0, "finite-termination": CHANGING_H0},
    ),
)
"""Every implementation of which the conformance table speaks."""

__all__ = ["LIBRARIES", "Direction", "Drive", "Library"]
