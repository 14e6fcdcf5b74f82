"""H g with a diagonal H0: ours, the peers', and a streaming read over S and Y, in the same rounds."""

from __future__ import annotations

import pytest

from tests.benchmarks import peers
from tests.benchmarks.bandwidth import streaming_read
from tests.benchmarks.problems import Pairs, error, filled, own_direction, reference
from tests.benchmarks.room import available
from tests.benchmarks.timing import PLAIN, InPlainTorch, Race

SIZES = (10**4, 10**5, 10**6, 10**7)
CASES = [(n, m, 1) for n in SIZES for m in (5, 10, 20)] + [(n, m, 16) for n in SIZES[:3] for m in (5, 10, 20)]
READ = "streaming read"
DIGITS = 1e-4
"""No direction here may be further from float64's: what lost more was set up wrongly."""


@pytest.mark.benchmark(group="direction")
@pytest.mark.parametrize(("n", "m", "runs"), CASES, ids=[f"n1e{len(str(n)) - 1}_m{m}_R{runs}" for n, m, runs in CASES])
def test_direction(n, m, runs, size, benchmark, compete, compiled):
    pairs = Pairs.draw(size(n), m, runs)
    if 3 * pairs.bytes > available():
        pytest.skip(f"ours and one peer need {3 * pairs.bytes / 2**30:.1f} GiB")
    history = filled(pairs)
    own = own_direction(history, pairs)
    found, absent = peers.direction_peers()
    prepared = {}
    for label, peer in found.items():
        try:
            prepared[label] = peers.prepared(peer, pairs, available())
        except peers.AbsentError as reason:
            absent[label] = str(reason)
    exact = reference(pairs, pairs.squares.double().rsqrt())
    errors = {"own": error(own(), exact), **({PLAIN: error(InPlainTorch(own)(), exact)} if compiled else {})}
    for label, peer in prepared.items():
        errors[label] = error(peer.result(), reference(pairs, found[label].h0(pairs)))
    assert max(errors.values()) < DIGITS, errors
    state = {"own": sum(x.numel() * x.element_size() for x in vars(history).values() if hasattr(x, "numel"))}
    state |= {label: p.bytes for label, p in prepared.items()}
    others = {label: p.call for label, p in prepared.items()} | {READ: streaming_read(history.s, history.y)}
    others |= {PLAIN: InPlainTorch(own)} if compiled else {}
    absent |= {} if compiled else {"compiled kernels": "not compiled: ours is plain torch"}
    case = {"n": n, "m": m, "R": runs}
    compete(Race(own, others), case=case, errors=errors, bytes=state, absent=absent)
