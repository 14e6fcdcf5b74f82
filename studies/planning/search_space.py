"""The space of a joint search: one level of each factor, and a learning rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler

from studies.variants.names import FACTORS, Base, Level
from studies.variants.variant import Variant

LOWEST, HIGHEST = 1e-2, 10.0
"""The learning rates searched, over the base's centre."""
LR = "lr"


@dataclass(frozen=True, kw_only=True)
class Space:
    """The levels of ``factors`` around ``base``, for batches of ``batch_size`` examples."""

    base: Base
    factors: tuple[str, ...]
    batch_size: int

    @cached_property
    def levels(self) -> dict[str, Mapping[str, Level]]:
        """The levels by factor and label, in the order of a recipe's roles: in that order they compose."""
        return {name: FACTORS[name].levels(self.batch_size) for name in FACTORS if name in self.factors}

    @property
    def combinations(self) -> int:
        """Number of combinations of levels."""
        count = 1
        for levels in self.levels.values():
            count *= len(levels)
        return count

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The space as Optuna knows it."""
        centre = self.base.centre
        return {
            **{name: CategoricalDistribution(list(levels)) for name, levels in self.levels.items()},
            LR: FloatDistribution(LOWEST * centre, HIGHEST * centre, log=True),
        }

    def variant(self, choice: Mapping[str, str]) -> Variant:
        """Return the recipe with these levels, under a name that lists them."""
        recipe = self.base.recipe
        for name, levels in self.levels.items():
            recipe = levels[choice[name]].change(recipe)
        name = f"{self.base.name} {' '.join(choice[name] for name in self.levels)}"
        return Variant(name=name, method=recipe, centre=self.base.centre)

    def require_reprs(self) -> None:
        """Raise `InputError` for a level that makes a recipe without a `repr` of its own."""
        for levels in self.levels.values():
            for label, level in levels.items():
                Variant(name=label, method=level.change(self.base.recipe), centre=self.base.centre).require_repr()

    def evenly(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Return ``count`` points drawn evenly, the same for the same seed."""
        study = optuna.create_study(sampler=RandomSampler(seed=seed))
        return [study.ask(self.distributions).params for _ in range(count)]

    def factorial(self, rates: Sequence[float]) -> list[dict[str, Any]]:
        """Return every combination of levels at each of the rates."""
        names = list(self.levels)
        combined = product(*(levels for levels in self.levels.values()))
        return [{**dict(zip(names, labels, strict=True)), LR: lr} for labels in combined for lr in rates]
