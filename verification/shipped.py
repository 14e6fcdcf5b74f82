"""The shipped parts and recipes, in the variations in which the laws are checked on them."""

from __future__ import annotations

from typing import Any

from adaqn_lab import Recipe
from adaqn_lab.recipes import ALL
from verification.catalogue import SPECIMENS
from verification.law import Factory, Subject

PARTS: dict[Subject, tuple[Factory, ...]] = {
    role: tuple(factory for x in SPECIMENS if x.role is role for factory in x.variations)
    for role in (Subject.PAIRS, Subject.SCALING, Subject.MEMORY, Subject.STEPPER, Subject.GUARD)
}
"""Role -> factories of the shipped parts."""
RECIPES: dict[str, Recipe] = {named.name: named.recipe for named in ALL}
"""Name -> recipe, of all that adaqn_lab ships."""


def everything() -> list[Any]:
    """All factories and recipes, for :func:`verification.verify`."""
    return [*(factory for found in PARTS.values() for factory in found), *RECIPES.values()]
