"""The diagonals h0 of the scalings, from the whole sequence of gradients and the newest pair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def adagrad(gradients: Array, eps: float) -> Array:
    """h0 = 1 / sqrt(sum_k g_k g_k + eps), eps inside the root; (K, n) -> (n,).

    Source: Duchi, Hazan & Singer, JMLR 12 (2011); eps as in Keskar & Berahas 2016's implementations.
    """
    result: Array = 1.0 / np.sqrt((gradients.astype(np.float64) ** 2).sum(axis=0) + eps)
    return result


def rmsprop(gradients: Array, eps: float, decay: float) -> Array:
    """h0 = 1 / sqrt(V + eps), V_k = decay V_{k-1} + (1 - decay) g_k g_k from V_0 = 0; (K, n) -> (n,).

    Source: the authors' MATLAB code (minSQN), mode 'RMS'; no bias correction.
    """
    V: Array = np.zeros(gradients.shape[1])
    for g in gradients.astype(np.float64):
        V = decay * V + (1.0 - decay) * g * g
    result: Array = 1.0 / np.sqrt(V + eps)
    return result


def barzilai_borwein(s: Array | None, y: Array | None, n: int) -> Array:
    """h0 = (s'y / y'y) 1 from the newest pair, 1 without one; (n,), (n,) -> (n,).

    Source: Liu & Nocedal, Math. Programming 45 (1989); Barzilai & Borwein, IMA J. Numer. Anal. 8 (1988).
    """
    if s is None or y is None:
        return np.ones(n)
    s, y = s.astype(np.float64), y.astype(np.float64)
    return np.full(n, (s @ y) / (y @ y))
