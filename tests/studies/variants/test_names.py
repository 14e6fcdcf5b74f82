"""The variants: one field each, grids of equal size."""

from itertools import pairwise

import pytest

from adaqn_lab import ADAQN, CautiousSS, GradientDifference, Recipe, Window, diff
from studies.errors import InputError
from studies.variants.names import (
    FACTORS,
    adaqn_choices,
    bases,
    choose_variants,
    factor_variants,
    family,
    fisher_stores,
    known_variants,
)
from studies.variants.variant import Variant


@pytest.mark.parametrize("variant", adaqn_choices(50), ids=str)
def test_recipes_change_one_field_at_most(variant) -> None:  # type: ignore[no-untyped-def]
    assert len(diff(ADAQN, variant.method)) == (variant.name != "ADAQN")
    changes = variant.changes_from(known_variants(50)["ADAQN"])
    assert changes.keys() == diff(ADAQN, variant.method).keys()


@pytest.mark.parametrize("base", bases(50))
@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_changes_one_role_of_its_base(name: str, base: str) -> None:
    own, *others = factor_variants(name, base, 50)
    assert own.name == base
    assert len(others) >= 2
    assert isinstance(own.method, Recipe)
    changed = set()
    for variant in others:
        assert isinstance(variant.method, Recipe)
        changed |= diff(own.method, variant.method).keys()
    assert len(changed) == 1
    assert len({variant.method for variant in (own, *others)}) == len(others) + 1  # no level twice
    assert FACTORS[name].question.endswith("?")


def test_the_base_is_one_of_each_factor_s_levels() -> None:
    for factor in FACTORS.values():
        levels = factor.levels(50)
        assert any(level.change(ADAQN) == ADAQN for level in levels.values()), factor.name
        assert all(level.change(ADAQN).but() for level in levels.values())


def test_the_same_name_is_the_same_variant_wherever_it_stands() -> None:
    known = known_variants(50)
    everywhere = [*adaqn_choices(50), *family(50), *fisher_stores(50)]
    everywhere += [v for base in bases(50) for name in FACTORS for v in factor_variants(name, base, 50)]
    for variant in everywhere:
        assert known[variant.name] == variant


def test_levels_compose_in_any_order_of_roles() -> None:
    """A joint search applies one level of each factor: where one does not apply, it changes nothing."""
    stores = FACTORS["store"].levels(50)
    no_pairs = ADAQN.but(pairs=None)
    assert all(level.change(no_pairs) == no_pairs for level in stores.values())
    twice = (
        FACTORS["curvature-test"]
        .levels(50)["every-pair"]
        .change(FACTORS["capacity"].levels(50)["memory-5"].change(ADAQN))
    )
    assert twice.memory == Window(capacity=5, test=CautiousSS(eps=0.0))


def test_grids_have_the_same_size_and_spacing() -> None:
    for variant in known_variants(50).values():
        grid = variant.grid(5)
        assert grid[2] == variant.centre
        assert all(b / a == pytest.approx(10**0.5, rel=0.01) for a, b in pairwise(grid))


def test_chooses_by_name_once_in_the_given_order() -> None:
    assert [v.name for v in choose_variants(("Adam", "ADAQN", "Adam"), 50)] == ["Adam", "ADAQN"]
    assert len(choose_variants((), 50)) == 10
    with pytest.raises(InputError, match=r"'adam' \(did you mean Adam\?\)"):
        choose_variants(("adam",), 50)


class Nameless(GradientDifference):
    """A part without a repr of its own."""

    __repr__ = object.__repr__


@pytest.mark.parametrize("method", [ADAQN.but(pairs=Nameless())])
def test_refuses_a_part_that_shows_as_a_place_in_memory(method: Recipe) -> None:
    with pytest.raises(InputError, match=r"mine cannot be told .* its Nameless shows .* make it a frozen dataclass"):
        Variant(name="mine", method=method, centre=0.1).require_repr()
