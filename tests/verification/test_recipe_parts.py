"""A recipe's foreign parts are held to the laws of their roles, and what fails is replayed from the recipe."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from adaqn_lab import ADAQN, AdaGrad
from verification import by_name, verify
from verification.methods import Method
from verification.roles import candidate, part_of


@dataclass(frozen=True)
class Uphill(AdaGrad):
    """H0 of the wrong sign."""

    def h0(self, state, curvature):
        made = super().h0(state, curvature)
        made.gamma = -1.0
        return made


RECIPE = ADAQN.but(scaling=Uphill(eps=0.5))


@pytest.mark.parametrize("target", [RECIPE, Method(RECIPE), lambda: RECIPE, lambda: Method(RECIPE)])
def test_the_part_of_a_recipe_a_method_or_a_factory(target):
    made = part_of(target, "scaling")
    assert made() == Uphill(eps=0.5)
    assert made() is not made()
    assert made() is not RECIPE.scaling


def test_a_list_on_a_part_is_not_shared_by_its_copies():
    @dataclass(frozen=True)
    class Listening(AdaGrad):
        heard: tuple = ([],)

    first, second = (part_of(ADAQN.but(scaling=Listening()), "scaling")() for _ in range(2))
    first.heard[0].append(1)
    assert second.heard[0] == []


def test_only_foreign_parts_are_asked_by_themselves():
    assert [part.part for part in candidate(RECIPE).foreign_parts] == ["scaling"]
    assert candidate(ADAQN).foreign_parts == ()


def test_what_a_part_fails_is_replayed_from_its_recipe():
    failed = [result for result in verify(RECIPE, examples=3, progress=False).failures if result.part]
    assert failed
    for result in failed[:3]:
        assert result.part == "scaling"
        assert result.message.startswith("its scaling ")
        assert "verification.roles.part_of(target, 'scaling')" in result.replay
        with pytest.raises(Exception):  # noqa: B017, PT011 -- by an assertion, or because the part breaks down
            by_name(result.law.name)(part_of(RECIPE, result.part), result.case)
