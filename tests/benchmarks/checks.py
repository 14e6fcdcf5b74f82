"""What the gate times: each check returns the ratio of our time to a reference's, of the same rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from adaqn_lab import EmpiricalFisher, Recipe
from adaqn_lab.protocols import Displacement, Step
from adaqn_lab.recipes import ADAQN
from adaqn_lab.space import Space
from tests.benchmarks import plain
from tests.benchmarks.bandwidth import streaming_read
from tests.benchmarks.models import SIZES, parameters
from tests.benchmarks.peers import torch_lbfgs
from tests.benchmarks.peers.first_order import FIRST_ORDER
from tests.benchmarks.problems import Pairs, filled, own_direction
from tests.benchmarks.stepping import GivenGradients, quasi_newton, steps
from tests.benchmarks.timing import Call, Median, Race

PASSES = 10
"""Vectors which a step reads or writes beside S, Y and what Adam does: g, d, w, the window's sum, the store, G."""


def ratio(own: Call, reference: Call, rounds: int) -> Median:
    """Our time over the reference's, in processor time of this thread, which does everything."""
    race, threads = Race(own, {"reference": reference}, clock=time.thread_time), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        race.run(rounds)
    finally:
        torch.set_num_threads(threads)
    slower = race.ratio("reference")
    return Median(1 / slower.value, 1 / slower.high, 1 / slower.low)


def direction(n: int, rounds: int) -> Median:
    """H g, 10 pairs, over torch's bare products."""
    pairs = Pairs.draw(n, 10)
    return ratio(own_direction(filled(pairs), pairs), plain.direction(pairs), rounds)


def against_torch(n: int, rounds: int) -> Median:
    """The same over the two loops of torch.optim.LBFGS."""
    pairs = Pairs.draw(n, 10)
    return ratio(own_direction(filled(pairs), pairs), torch_lbfgs.prepare(pairs).call, rounds)


def step(size: str, recipe: Recipe, rounds: int) -> Median:
    """A step, averaged over a window, over foreach Adam's, a plain direction, and a read of ten vectors."""
    model = SIZES[size].build()
    n = parameters(model)
    mine, theirs, every = GivenGradients(model), GivenGradients(model), recipe.cadence.every
    adam = FIRST_ORDER["foreach Adam"](theirs)
    form = plain.direction(Pairs.draw(n, recipe.memory.capacity))
    read = streaming_read(torch.rand(PASSES, n))

    def reference() -> None:
        for _ in range(every):
            theirs.turn()
            adam.step()
            form()
            read()

    return ratio(steps(quasi_newton(mine, recipe), mine, every), reference, max(rounds // 3, 9))


def host(rounds: int) -> Median:
    """A step of a tiny model over foreach Adam's: what Python and the dispatcher cost."""
    model = SIZES["tiny"].build()
    mine, theirs, every = GivenGradients(model), GivenGradients(model), ADAQN.cadence.every
    adam = FIRST_ORDER["foreach Adam"](theirs)
    return ratio(steps(quasi_newton(mine, ADAQN), mine, every), steps(adam, theirs, every), rounds)


def fisher_pair(n: int, rounds: int) -> Median:
    """y for a displacement over the bare products F'(F s)."""
    part, space = EmpiricalFisher(), Space(1, n)
    state, everybody, s = part.init(space), space.mask(True), torch.rand(1, n)
    for _ in range(part.window):
        part.observe_(state, Step(1, s, everybody, lambda: s))
    move = Displacement(s, s, s, everybody)
    return ratio(
        lambda: part.pair_(state, move, None),  # type: ignore[arg-type]
        plain.fisher_pair(state.gradients[0], s[0]),
        rounds,
    )


def insertion(n: int, rounds: int) -> Median:
    """A pair pushed into ten over the bare products and copies."""
    pairs = Pairs.draw(n, 10)
    history, everybody = filled(pairs), torch.ones(1, dtype=torch.bool)
    s, y = pairs.s[:, 0].clone(), pairs.y[:, 0].clone()
    return ratio(lambda: history.push_(s, y, everybody), plain.insertion(pairs.s[0], s[0], y[0]), rounds)


CHECKS: dict[str, Callable[[int], Median]] = {
    "direction, n = 1e4, over bare products": partial(direction, 10**4),
    "direction, n = 1e5, over bare products": partial(direction, 10**5),
    "direction, n = 1e6, over bare products": partial(direction, 10**6),
    "direction, n = 1e4, over torch.optim.LBFGS": partial(against_torch, 10**4),
    "direction, n = 1e6, over torch.optim.LBFGS": partial(against_torch, 10**6),
    "ADAQN step, n = 1e3, over foreach Adam": host,
    "ADAQN step, n = 1e5, over Adam, a direction, ten reads": partial(step, "0.1M", ADAQN),
    "ADAQN step, n = 1e6, over Adam, a direction, ten reads": partial(step, "1M", ADAQN),
    "Fisher pair, n = 1e5, over bare products": partial(fisher_pair, 10**5),
    "insertion, n = 1e6, over bare products": partial(insertion, 10**6),
}
"""By what a reader would call them; a limit in ``gate.json`` for each."""
