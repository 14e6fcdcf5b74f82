"""The streaming pairs of the study of Fisher stores: right, even if not stable."""

from functools import partial

import torch

import verification
from adaqn_lab import Displacement, Space, Step
from studies.variants.fisher_store import StreamingFisher, fisher_stores


def test_a_streamed_pair_is_the_last_displacement_and_the_mean_over_the_next_window():
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(4, 1, 5, generator=generator, dtype=torch.float64)
    s = torch.randn(2, 1, 5, generator=generator, dtype=torch.float64)
    part, space = StreamingFisher(batch_size=3), Space(runs=1, size=5, dtype=torch.float64)
    state, everyone = part.init(space), space.mask(True)

    def move(displacement):
        return Displacement(displacement, displacement, torch.zeros_like(displacement), everyone)

    first = part.pair_(state, move(s[0]), None)
    assert not first.s.any()
    assert not first.y.any()
    for k in range(4):
        part.observe_(state, Step(k + 1, g[k], everyone, lambda: s[0]))
    second = part.pair_(state, move(s[1]), None)
    assert torch.equal(second.s, s[0])
    expected = 3 * sum(x * (x * s[0]).sum() for x in g) / 4
    torch.testing.assert_close(second.y, expected)


def test_it_keeps_the_contract_of_a_pair_generator():
    verification.check_pair_generator(partial(StreamingFisher, batch_size=2), examples=20)


def test_the_stores_differ_in_the_store_only():
    recipes = [variant.method for variant in fisher_stores(50)]
    assert len({recipe.pairs for recipe in recipes}) == len(recipes)
    assert len({recipe.but(pairs=None) for recipe in recipes}) == 1
