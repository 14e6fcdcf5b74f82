"""Other libraries' L-BFGS behind one plain function: ``direction(S, Y, h0, g) -> H g``.

``S``, ``Y`` are (m, n) with the oldest pair first, ``h0`` (n,) is the diagonal of H0, ``g`` is (n,); NumPy arrays
of one floating dtype, in which the library computes if it can. Each adapter runs the library's own code, none
copies it. ``LIBRARIES`` names them all; one whose library is not installed raises ``ImportError`` when loaded.
``findings`` says what is wrong with them, and docs/libraries.md is made of both.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from verification.adapters.driving import Drive

Direction = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]


CHANGING_H0 = "its H0 is a multiple of the identity"
MATRIX = "it forms H, n x n"
SCALAR: Any = {
    "scalar_h0": True,
    "cannot": {"diagonal-variables": CHANGING_H0, "finite-termination": CHANGING_H0},
}
FLOAT64 = ("float64",)


@dataclass(frozen=True)
class Library:
    """One implementation: where its adapter is, and what it cannot do, so that no law asks for it.

    ``requires`` is what is imported, ``package`` what is installed ("" if it has the same name). ``direction`` and
    ``drive`` are the adapter's functions ("" if the library has no such thing): the operator, and the library's own
    steps. ``scalar_h0``: H0 may only be a multiple of the identity. ``dtypes``: in which the library computes.
    ``cannot``: law -> why it does not apply.
    """

    name: str
    module: str
    requires: str
    package: str = ""
    direction: str = "direction"
    drive: str = "drive"
    scalar_h0: bool = False
    dtypes: tuple[str, ...] = ("float64", "float32")
    cannot: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Direction | None:
        """The adapter's direction function, if any; raises ``ImportError`` where the library is missing."""
        module = self._adapter()
        direction: Direction | None = getattr(module, self.direction) if self.direction else None
        return direction

    def load_drive(self) -> Drive | None:
        """The adapter's drive function, None if there is none; raises ``ImportError`` as above."""
        module = self._adapter()
        drive: Drive | None = getattr(module, self.drive) if self.drive else None
        return drive

    def _adapter(self) -> ModuleType:
        """The adapter, which imports the library."""
        if importlib.util.find_spec(self.requires) is None:
            raise ModuleNotFoundError(f"No module named {self.requires!r}", name=self.requires)
        return importlib.import_module(self.module)

    @property
    def version(self) -> str:
        """What is installed, without a build's suffix, as "torch 2.13.0"; raises ``ImportError`` as above."""
        package = self.package or self.requires
        return f"{package} {importlib.metadata.version(package).partition('+')[0]}"


def _of(name: str, adapter: str, requires: str, package: str = "", **options: Any) -> Library:
    """A library whose adapter lies in this folder."""
    return Library(name, f"{__name__}.{adapter}", requires, package, **options)


LIBRARIES = (
    _of("adaqn_lab", "adaqn_history", "torch"),
    _of("adaqn_lab, cosine test", "adaqn_history", "torch", direction="", drive="drive_cosine"),
    _of("adaqn_lab.two_loop", "adaqn_two_loop", "torch", drive=""),
    _of("torch.optim.LBFGS", "torch_lbfgs", "torch"),
    _of("SciPy L-BFGS-B", "scipy_lbfgsb", "scipy", dtypes=FLOAT64),
    _of("optax.lbfgs", "optax_lbfgs", "optax", **SCALAR),
    _of("jax.scipy", "jax_scipy_lbfgs", "jax"),
    _of("jaxopt.LBFGS", "jaxopt_lbfgs", "jaxopt"),
    _of("optimistix.LBFGS", "optimistix_lbfgs", "optimistix", **SCALAR),
    _of("blackjax Pathfinder", "blackjax_pathfinder", "blackjax", cannot={"long-sums": MATRIX}),
    _of("TFP lbfgs_minimize", "tfp_lbfgs", "tensorflow_probability", "tfp-nightly", **SCALAR),
    _of("GradientTransformation", "gradienttransformation_lbfgs", "GradientTransformation", **SCALAR),
    _of("pytorch-minimize", "torchmin_lbfgs", "torchmin", "pytorch-minimize"),
    _of("torchzero", "torchzero_lbfgs", "torchzero", **SCALAR),
    _of("torchzero, damped", "torchzero_lbfgs", "torchzero", direction="", drive="drive_damped"),
    _of("QQN", "qqn_torch_lbfgs", "qqn_torch", "qqn-torch"),
    _of("ASE", "ase_lbfgs", "ase", dtypes=FLOAT64),
    _of("pysisyphus", "pysisyphus_lbfgs", "pysisyphus", **SCALAR),
    _of("lbfgsb", "lbfgsb_package", "lbfgsb", direction=""),
    _of("stochQN oLBFGS", "stochqn_olbfgs", "stochqn", **SCALAR),
)
"""Every implementation of which the conformance table speaks."""

__all__ = ["LIBRARIES", "Direction", "Drive", "Library"]
