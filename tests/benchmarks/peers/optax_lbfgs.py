"""``optax.scale_by_lbfgs``, compiled: float32, H0 = I. Only with ``optax`` installed (``tox -e peers``)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
import torch

from tests.benchmarks.peers.peer import AbsentError, DirectionPeer, Prepared, identity
from tests.benchmarks.problems import Pairs


def prepare(pairs: Pairs) -> Prepared:
    """Its update on a state which holds the pairs; compiled by a first call.

    The update also stores the pair between its last call's point and this one's: the same point, so a zero pair of
    weight zero, in a slot kept free for it.
    """
    runs, m, _ = pairs.shape
    if runs > 1:
        raise AbsentError("its state holds one run")
    transform = optax.scale_by_lbfgs(memory_size=m + 1, scale_init_precond=False)
    gradient = _array(pairs.g[0])
    point = jnp.zeros_like(gradient)
    weights = torch.tensor([1.0 / float(s.dot(y)) for s, y in zip(pairs.s[0], pairs.y[0], strict=True)] + [0.0])
    blank = torch.zeros(1, pairs.g.shape[1])
    state: Any = transform.init(point)._replace(
        count=jnp.asarray(m + 1, jnp.int32),
        params=point,
        updates=gradient,
        diff_params_memory=_array(torch.cat([pairs.s[0], blank])),
        diff_updates_memory=_array(torch.cat([pairs.y[0], blank])),
        weights_memory=_array(weights),
    )

    @jax.jit
    def direction(gradient: Any, state: Any, point: Any) -> Any:
        return transform.update(gradient, state, point)[0]

    return Prepared(lambda: direction(gradient, state, point).block_until_ready(), pairs.bytes * (m + 1) // m)


def _array(x: torch.Tensor) -> Any:
    return jnp.asarray(x.numpy())


PEER = DirectionPeer("optax (H0 = I)", prepare, identity, copies=2.5)
