"""A factor: one design choice of adaQN, its question, and the levels that answer it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adaqn_lab import Recipe
from studies.variants.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Base:
    """The recipe around which a factor is changed; ``centre`` is the middle of its grid of learning rates."""

    name: str
    recipe: Recipe
    centre: float

    @property
    def variant(self) -> Variant:
        """The recipe itself as a variant."""
        return Variant(name=self.name, method=self.recipe, centre=self.centre)


@dataclass(frozen=True)
class Level:
    """One value of a factor: what it makes of a recipe, and the centre of its grid where it is not the base's."""

    change: Callable[[Recipe], Recipe]
    centre: float | None = None


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A design choice under the ``name`` that the command line knows.

    ``levels`` maps the task's batch size to the levels by label. A level that does not apply to a recipe leaves it
    as it is (m_F of a recipe without a store): in a joint search it then makes no difference.
    """

    name: str
    question: str
    levels: Callable[[int], Mapping[str, Level]]

    def variants(self, base: Base, batch_size: int) -> tuple[Variant, ...]:
        """Return the levels that differ from the base, as variants named ``base-label``."""
        made = {label: level.change(base.recipe) for label, level in self.levels(batch_size).items()}
        centres = {label: level.centre or base.centre for label, level in self.levels(batch_size).items()}
        return tuple(
            Variant(name=f"{base.name}-{label}", method=recipe, centre=centres[label])
            for label, recipe in made.items()
            if recipe != base.recipe
        )


def role(**parts: Any) -> Level:
    """Return the level that replaces whole roles: ``role(guard=None)``."""
    return Level(lambda recipe: recipe.but(**parts))


def within(name: str, **fields: Any) -> Level:
    """Return the level that replaces fields of the part in role ``name``, where that part has them."""

    def change(recipe: Recipe) -> Recipe:
        part = getattr(recipe, name)
        has_all = part is not None and all(hasattr(part, field) for field in fields)
        return recipe.but(**{name: replace(part, **fields)}) if has_all else recipe

    return Level(change)
