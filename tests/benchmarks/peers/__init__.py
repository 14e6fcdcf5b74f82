"""Others' implementations of a direction and of a whole step; each says why if it is absent."""

from __future__ import annotations

import importlib

from torch import nn

from tests.benchmarks.peers.peer import AbsentError, DirectionPeer, Prepared
from tests.benchmarks.problems import Pairs
from tests.benchmarks.timing import Call

ALWAYS = ("torch_lbfgs", "scipy_operator")
OPTIONAL = ("optax_lbfgs", "stochqn_c")


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
    """The peer on these pairs; raises ``AbsentError`` if it would need more than ``room`` bytes."""
    if (needed := peer.copies * pairs.bytes) > room:
        raise AbsentError(f"needs {needed / 2**30:.1f} GiB beside ours, {room / 2**30:.1f} GiB are free")
    return peer.build(pairs)


def whole_steps(model: nn.Module, every: int) -> dict[str, Call]:
    """Whole steps of peers which are no torch optimizers: stochQN's adaQN."""
    try:
        stochqn = importlib.import_module("tests.benchmarks.peers.stochqn_c")
    except ImportError as reason:
        raise AbsentError(str(reason)) from reason
    return {"stochQN's adaQN": stochqn.Tuned(stochqn.AdaQN(model, every))}
