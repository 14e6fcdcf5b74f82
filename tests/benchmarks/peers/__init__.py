"""Others' implementations of a direction and of a whole step; each says why if it is absent."""

from __future__ import annotations

import importlib

from tests.benchmarks.peers.peer import AbsentError, DirectionPeer, Prepared
from tests.benchmarks.problems import Pairs

ALWAYS = ("torch_lbfgs", "scipy_operator")
OPTIONAL = ("optax_lbfgs", "stochqn_loop")


def direction_peers() -> tuple[dict[str, DirectionPeer], dict[str, str]]:
    """By label those that can be imported, and why the others cannot."""
    found, absent = {}, {}
    for name in (*ALWAYS, *OPTIONAL):
        try:
            peer = importlib.import_module(f"tests.benchmarks.peers.{name}").PEER
            found[peer.label] = peer
        except (ImportError, AbsentError) as reason:
            absent[name] = str(reason)
    return found, absent


def prepared(peer: DirectionPeer, pairs: Pairs, room: float) -> Prepared:
    """The peer on these pairs; ``AbsentError`` if it would need more than ``room`` bytes or is not made for the case."""
    if (needed := peer.copies * pairs.bytes) > room:
        raise AbsentError(f"needs {needed / 2**30:.1f} GiB beside ours, {room / 2**30:.1f} GiB are free")
    return peer.build(pairs)
