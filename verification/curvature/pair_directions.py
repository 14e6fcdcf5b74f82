"""H v of the same pairs by three implementations, and by two of them in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters import adaqn_history, adaqn_two_loop
from verification.curvature.given_pairs import GivenPairs
from verification.curvature.span import Span
from verification.references import scipy_operator, two_loop
from verification.tolerances import TOLERANCES

Array = NDArray[Any]
_DIGITS = float(-np.log10(np.finfo(np.float32).eps / 2))
"""Decimal digits of float32, 7.2."""
THREE_DIGITS = 1e-3


@dataclass(frozen=True)
class Directions:
    """How far implementations are apart on the same ``v``, relative to |H v|: the largest over several v.

    ``ours``, ``scipy``: adaqn_lab's Window and SciPy's operator against the textbook's two loops, all in float64;
    ``allowed``: what rounding explains. ``secant``: |H y_m - s_m| / |s_m| of ours. ``digits_ours``,
    ``digits_textbook``: the decimal digits that are right where pairs and v are float32, of 7.2.
    """

    ours: float
    scipy: float
    allowed: float
    secant: float
    digits_ours: float
    digits_textbook: float

    @property
    def meaningful(self) -> bool:
        """Whether rounding in float64 leaves three digits of the two loops."""
        return max(self.ours, self.secant) < THREE_DIGITS

    @property
    def agree(self) -> bool:
        """Whether rounding explains the differences."""
        return max(self.ours, self.scipy) <= self.allowed


def directions(pairs: GivenPairs, span: Span, c_min: float, seed: int = 0) -> Directions:
    """Compare on the newest y and on two vectors of independent normal numbers."""
    generator = np.random.default_rng(seed)
    n = pairs.S.shape[1]
    vectors = [pairs.Y[-1], *(generator.standard_normal(n) for _ in range(2))]
    expected = [two_loop.direction(pairs.S, pairs.Y, pairs.h0, v) for v in vectors]
    # Relative to H0 what passes through the loops is at most `magnitude` times |P v|, and P leads back to H v.
    size = span.magnitude * float(np.sqrt(pairs.h0.max()))
    root = np.sqrt(pairs.h0)
    reach = max(float(np.linalg.norm(root * v) / np.linalg.norm(h)) for v, h in zip(vectors, expected, strict=True))
    tolerance = TOLERANCES["operator"]("float64", m=len(pairs.S), n=n, c_min=c_min)

    def apart(direction: Callable[..., Array], dtype: str = "float64") -> float:
        arguments = [x.astype(dtype) for x in (pairs.S, pairs.Y, pairs.h0)]
        return max(_apart(direction(*arguments, v.astype(dtype)), h) for v, h in zip(vectors, expected, strict=True))

    newest = adaqn_history.direction(pairs.S, pairs.Y, pairs.h0, pairs.Y[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = apart(adaqn_history.direction, "float32"), apart(adaqn_two_loop.direction, "float32")
    return Directions(
        ours=apart(adaqn_history.direction),
        scipy=apart(scipy_operator.direction),
        allowed=tolerance * size * reach,
        secant=_apart(newest, pairs.S[-1]),
        digits_ours=_digits(rounded[0]),
        digits_textbook=_digits(rounded[1]),
    )


def _apart(found: Array, expected: Array) -> float:
    """|found - expected| / |expected|, infinite for what is no number."""
    error = float(np.linalg.norm(found.astype(np.float64) - expected) / np.linalg.norm(expected))
    return error if np.isfinite(error) else np.inf


def _digits(error: float) -> float:
    """Right decimal digits, 0 to 7.2."""
    return float(np.clip(-np.log10(max(error, 1e-300)), 0.0, _DIGITS))
