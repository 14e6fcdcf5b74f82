"""The variants: one field each, grids of equal size."""

import inspect
import re
from itertools import pairwise

import pytest

from adaqn_lab import ADAQN, diff
from studies.ablate import Ablate
from studies.ablations import adaqn_choices, choose_variants, known_variants
from studies.refusal import Refusal


@pytest.mark.parametrize("variant", adaqn_choices(50), ids=str)
def test_recipes_change_one_field_at_most(variant) -> None:  # type: ignore[no-untyped-def]
    assert len(diff(ADAQN, variant.method)) == (variant.name != "ADAQN")
    changes = variant.changes_from(known_variants(50)["ADAQN"])
    assert changes.keys() == diff(ADAQN, variant.method).keys()


def test_grids_have_the_same_size_and_spacing() -> None:
    for variant in known_variants(50).values():
        grid = variant.grid(5)
        assert grid[2] == variant.centre
        assert all(b / a == pytest.approx(10**0.5, rel=0.01) for a, b in pairwise(grid))


def test_the_help_names_every_variant() -> None:
    source = inspect.getsource(Ablate)
    assert [name for name in known_variants(50) if not re.search(rf"\b{name}\b(?!-)", source)] == []


def test_chooses_by_name_once_in_the_given_order() -> None:
    assert [v.name for v in choose_variants(("Adam", "ADAQN", "Adam"), 50)] == ["Adam", "ADAQN"]
    assert len(choose_variants((), 50)) == 10
    with pytest.raises(Refusal, match=r"'adam'.*RMSProp"):
        choose_variants(("adam",), 50)
