"""Every recipe and every need is in the showcase."""

from adaqn_lab import Need
from adaqn_lab.recipes import ALL
from studies.convex.methods import known_methods


def test_knows_every_recipe_and_every_need() -> None:
    known = known_methods(32)
    assert {named.name for named in ALL} <= known.keys()
    assert {need for method in known.values() for need in method.needs} == set(Need)
