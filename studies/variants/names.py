"""Ablations, one question per file, and the names under which the command line knows their variants."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from adaqn_lab import ADAQN
from adaqn_lab.recipes import adaqn_rescaled
from studies.errors import InputError, one_of
from studies.variants.adaqn_choices import adaqn_choices
from studies.variants.baselines import BASELINES, FURTHER_BASELINES
from studies.variants.factor import Base, Factor, Level
from studies.variants.factors.averaging import AVERAGING
from studies.variants.factors.capacity import CAPACITY
from studies.variants.factors.curvature_test import CURVATURE_TEST
from studies.variants.factors.epsilon import EPSILON
from studies.variants.factors.fisher_normalisation import FISHER_NORMALISATION
from studies.variants.factors.guard import GUARD
from studies.variants.factors.pair_generator import PAIR_GENERATOR
from studies.variants.factors.scaling import SCALING
from studies.variants.factors.stepper import STEPPER
from studies.variants.factors.store import STORE
from studies.variants.factors.window import WINDOW
from studies.variants.family import family
from studies.variants.fisher_store import fisher_stores
from studies.variants.own import is_own, own_variant
from studies.variants.variant import Variant

REFERENCE = "ADAQN"
"""The variant that the others are compared with, unless another base is asked for."""

FACTORS = {
    factor.name: factor
    for factor in (
        PAIR_GENERATOR,
        FISHER_NORMALISATION,
        SCALING,
        EPSILON,
        CURVATURE_TEST,
        CAPACITY,
        STORE,
        WINDOW,
        GUARD,
        AVERAGING,
        STEPPER,
    )
}
"""The design choices, in the order of a recipe's roles."""


def bases(batch_size: int) -> dict[str, Base]:
    """Return the recipes around which factors are changed: the published form, and the rescaled Fisher matrix."""
    known = (
        Base(name=REFERENCE, recipe=ADAQN, centre=0.1),
        Base(name="ADAQN_RESCALED", recipe=adaqn_rescaled(batch_size), centre=0.2),
    )
    return {base.name: base for base in known}


def factor_variants(name: str, base: str, batch_size: int) -> tuple[Variant, ...]:
    """Return the base and the factor's other levels around it; `InputError` for names that are not known."""
    factor = FACTORS[one_of("factor", name, FACTORS)]
    around = bases(batch_size)[one_of("base", base, bases(batch_size))]
    return (around.variant, *factor.variants(around, batch_size))


@cache
def known_variants(batch_size: int) -> Mapping[str, Variant]:
    """Return every variant by name: adaQN's choices, baselines, the family's other recipes, stores, factors."""
    levels = [v for base in bases(batch_size) for name in FACTORS for v in factor_variants(name, base, batch_size)]
    every = (*levels, *_default(batch_size), *FURTHER_BASELINES, *family(batch_size), *fisher_stores(batch_size))
    return MappingProxyType({variant.name: variant for variant in every})


def _default(batch_size: int) -> tuple[Variant, ...]:
    return (*adaqn_choices(batch_size), *BASELINES)


def choose_variants(names: tuple[str, ...], batch_size: int) -> tuple[Variant, ...]:
    """Return the named variants in the given order, each once; without names adaQN's choices and baselines.

    ``module:NAME`` is one of your own. Raises `InputError` for a name that is not known, and for a method without a
    repr.
    """
    known = known_variants(batch_size)
    given = dict.fromkeys(names or [v.name for v in _default(batch_size)])
    chosen = tuple(own_variant(name) if is_own(name) else _known("variant", name, known) for name in given)
    for variant in chosen:
        variant.require_repr()
    return chosen


def _known(kind: str, name: str, known: Mapping[str, Variant]) -> Variant:
    try:
        return known[one_of(kind, name, known)]
    except InputError as refusal:
        raise InputError(f"{str(refusal).removesuffix('.')}; one of your own is given as module:NAME.") from None


__all__ = [
    "FACTORS",
    "REFERENCE",
    "Base",
    "Factor",
    "Level",
    "adaqn_choices",
    "bases",
    "choose_variants",
    "factor_variants",
    "family",
    "fisher_stores",
    "known_variants",
]
