"""The pieces of a step: y for a displacement, a pair's insertion, gather and scatter; beside a streaming read.

The read is over what the piece must at least read, so that its ratio is the fraction of the floor.
"""

from __future__ import annotations

import pytest
import torch

from adaqn_lab import EmpiricalFisher
from adaqn_lab.pairs import SketchedFisher
from adaqn_lab.protocols import Displacement, Step
from adaqn_lab.space import FlatParameters, Space
from tests.benchmarks.bandwidth import streaming_read
from tests.benchmarks.models import SIZES
from tests.benchmarks.problems import Pairs, filled
from tests.benchmarks.timing import Race

VECTORS = (10**5, 10**6, 10**7)
READ = "streaming read"
pytestmark = pytest.mark.usefixtures("compiled")
STORES = [EmpiricalFisher(), EmpiricalFisher(dtype=torch.bfloat16), SketchedFisher()]
IDS = [f"n1e{len(str(n)) - 1}" for n in VECTORS]


@pytest.mark.benchmark(group="pair generation")
@pytest.mark.parametrize("part", STORES, ids=repr)
@pytest.mark.parametrize("n", VECTORS[:2], ids=IDS[:2])
def test_pair_generation(n, part, size, compete):
    space = Space(1, size(n))
    state, everybody = part.init(space), space.mask(True)
    g, s = torch.rand(1, space.size), torch.rand(1, space.size)
    step, move = Step(1, g, everybody, lambda: s), Displacement(s, s, s, everybody)
    for _ in range(part.window if hasattr(part, "window") else 2 * part.rows):
        part.observe_(state, step)
    stores = [x for x in vars(state).values() if isinstance(x, torch.Tensor) and x.numel() >= space.size]
    stores = [x for x in stores if x.is_floating_point()]
    # F must be read twice, since all of F s comes before y.
    race = Race(lambda: part.pair_(state, move, None), {READ: streaming_read(*stores, *stores)})
    compete(race, case={"n": n, "part": repr(part)}, absent={})


@pytest.mark.benchmark(group="observation")
@pytest.mark.parametrize("part", STORES, ids=repr)
@pytest.mark.parametrize("n", VECTORS[:2], ids=IDS[:2])
def test_observation(n, part, size, compete):
    space = Space(1, size(n))
    state, g = part.init(space), torch.rand(1, space.size)
    step = Step(1, g, space.mask(True), lambda: g)
    compete(
        Race(lambda: part.observe_(state, step), {READ: streaming_read(g)}),
        case={"n": n, "part": repr(part)},
        absent={},
    )


@pytest.mark.benchmark(group="insertion")
@pytest.mark.parametrize("n", VECTORS, ids=IDS)
def test_insertion(n, size, compete):
    pairs = Pairs.draw(size(n), 10)
    history, everybody = filled(pairs), torch.ones(1, dtype=torch.bool)
    s, y = pairs.s[:, 0].clone(), pairs.y[:, 0].clone()
    # R's new column is S y: S is read once.
    race = Race(lambda: history.push_(s, y, everybody), {READ: streaming_read(pairs.s)})
    compete(race, case={"n": n, "m": 10}, absent={})


@pytest.mark.benchmark(group="gather and scatter")
@pytest.mark.parametrize("way", ["gather", "scatter"])
@pytest.mark.parametrize("size_name", ["0.1M", "1M", "10M"])
def test_gather_and_scatter(size_name, way, benchmark, compete):
    model = SIZES["tiny" if benchmark.disabled else size_name].build()
    flat = FlatParameters(list(model.parameters()), 1)
    out, everybody = flat.space.zeros(), flat.space.mask(True)
    with torch.no_grad():
        flat.gather_(out)
        calls = {"gather": lambda: flat.gather_(out), "scatter": lambda: flat.scatter(out, everybody)}
        race = Race(calls[way], {READ: streaming_read(out), "Tensor.copy_": lambda: out.copy_(other)})
        other = out.clone()
        compete(race, case={"n": flat.space.size, "way": way}, absent={})
