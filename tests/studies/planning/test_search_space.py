"""The space of a joint search: recipes all of it, drawn evenly, the base among them."""

from dataclasses import replace

from adaqn_lab import ADAQN
from studies.planning.search_space import LR, Space
from studies.variants.names import FACTORS, bases

SPACE = Space(base=bases(50)["ADAQN"], factors=tuple(FACTORS), batch_size=50)


def test_every_point_of_the_space_is_a_recipe() -> None:
    points = SPACE.evenly(200, seed=1)
    recipes = {repr(SPACE.variant(point).method) for point in points}
    assert len(recipes) > 150
    for name, levels in SPACE.levels.items():
        assert {point[name] for point in points} == set(levels)
    rates = sorted(point[LR] for point in points)
    assert 1e-3 <= rates[0] < 3e-3
    assert 0.3 < rates[-1] <= 1.0
    assert 0.01 < rates[100] < 0.1  # even in its logarithm
    assert points == SPACE.evenly(200, seed=1)
    assert points != SPACE.evenly(200, seed=2)


def test_the_base_s_own_levels_give_the_base() -> None:
    own = {
        name: next(label for label, level in levels.items() if level.change(ADAQN) == ADAQN)
        for name, levels in SPACE.levels.items()
    }
    assert SPACE.variant(own).method == ADAQN


def test_a_factorial_is_complete() -> None:
    small = replace(SPACE, factors=("guard", "capacity"))
    points = small.factorial((0.1, 0.3))
    assert len(points) == small.combinations * 2 == len({tuple(point.items()) for point in points})
