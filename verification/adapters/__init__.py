"""Other libraries' L-BFGS behind one plain function: ``direction(S, Y, h0, g) -> H g``.

``S``, ``Y`` are (m, n) with the oldest pair first, ``h0`` (n,) is the diagonal of H0, ``g`` is (n,); NumPy arrays
of one floating dtype, in which the library computes if it can. Each adapter runs the library's own code, none
copies it. ``LIBRARIES`` names them all; one whose library is not installed raises ``ImportError`` when loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Direction = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Library:
    """One implementation: where its adapter is, and what it cannot do, so that no law asks for it.

    ``scalar_h0``: H0 may only be a multiple of the identity. ``dtypes``: in which the library computes.
    """

    name: str
    module: str
    requires: str
    scalar_h0: bool = False
    dtypes: tuple[str, ...] = ("float64", "float32")

    def load(self) -> Direction:
        """The adapter's ``direction``; raises ``ImportError`` where the library is missing."""
        importlib.import_module(self.requires)
        direction: Direction = importlib.import_module(self.module).direction
        return direction


LIBRARIES = (
    Library("adaqn_lab.History", "verification.adapters.adaqn_history", "torch"),
    Library("adaqn_lab.two_loop", "verification.adapters.adaqn_two_loop", "torch"),
    Library("torch.optim.LBFGS", "verification.adapters.torch_lbfgs", "torch"),
    Library("scipy LbfgsInvHessProduct", "verification.references.scipy_operator", "scipy", dtypes=("float64",)),
    Library("optax.scale_by_lbfgs", "verification.adapters.optax_lbfgs", "optax", scalar_h0=True),
)
"""Every implementation of which the conformance table speaks."""

__all__ = ["LIBRARIES", "Direction", "Library"]
