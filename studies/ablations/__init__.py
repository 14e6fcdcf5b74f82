"""Ablations, one question per file, and the names under which the command line knows their variants."""

from studies.ablations.adaqn_choices import adaqn_choices
from studies.ablations.family import family
from studies.ablations.fisher_store import fisher_stores
from studies.baselines import BASELINES, FURTHER_BASELINES, PackagedOptimizer
from studies.refusal import one_of
from studies.variants import Variant

REFERENCE = "ADAQN"
"""The variant that the others are compared with."""


def known_variants(batch_size: int) -> dict[str, Variant]:
    """Return every variant by name: adaQN's choices, baselines, the family's other recipes, Fisher stores."""
    every = (*_default(batch_size), *FURTHER_BASELINES, *family(batch_size), *fisher_stores(batch_size))
    return {variant.name: variant for variant in every}


def _default(batch_size: int) -> tuple[Variant, ...]:
    return (*adaqn_choices(batch_size), *BASELINES)


def choose_variants(names: tuple[str, ...], batch_size: int) -> tuple[Variant, ...]:
    """Return the named variants in the given order, each once; without names adaQN's choices and baselines.

    Raises `Refusal`, with the known names, for a name that is not one of them, and for one whose package is absent.
    """
    known = known_variants(batch_size)
    chosen = dict.fromkeys(one_of("variant", name, known) for name in names or [v.name for v in _default(batch_size)])
    for name in chosen:
        if isinstance(method := known[name].method, PackagedOptimizer):
            method.require_installed()
    return tuple(known[name] for name in chosen)


__all__ = ["REFERENCE", "adaqn_choices", "choose_variants", "family", "fisher_stores", "known_variants"]
