"""``scipy.optimize.LbfgsInvHessProduct``: float64 always, H0 = I always."""

from __future__ import annotations

import numpy as np
from scipy.optimize import LbfgsInvHessProduct

from tests.benchmarks.peers.blas import Tuned
from tests.benchmarks.peers.peer import DirectionPeer, Prepared, identity
from tests.benchmarks.problems import Pairs


def prepare(pairs: Pairs) -> Prepared:
    """Its operator and a float64 gradient."""
    runs = [
        (LbfgsInvHessProduct(S.numpy().astype(np.float64), Y.numpy().astype(np.float64)), g.double().numpy())
        for S, Y, g in zip(pairs.s, pairs.y, pairs.g, strict=True)
    ]
    call = Tuned(lambda: [operator.matvec(g) for operator, g in runs])
    return Prepared(call, pairs.bytes * 8 // pairs.s.element_size())


PEER = DirectionPeer("SciPy (float64, H0 = I)", prepare, identity, copies=2.0)
