"""The command ``variants``: every question and every name, as text."""

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import fill

OWN = "your own: module:NAME, a Recipe or a studies.Variant in a module of this directory or an installed one"


@dataclass(frozen=True, kw_only=True)
class Variants:
    """List the design choices with their questions, and every variant that ablate knows by name."""


def listing() -> str:
    """Return the list: each factor's question and variants, the default study's, and all others."""
    from studies.tasks import Windows
    from studies.variants.names import FACTORS, bases, choose_variants, factor_variants, known_variants

    batch_size = Windows().batch_size
    blocks, told = [], set()
    for name, factor in FACTORS.items():
        blocks.append(f"{name}: {factor.question}")
        for base in bases(batch_size):
            names = [variant.name for variant in factor_variants(name, base, batch_size)]
            blocks.append(_indented(names))
            told.update(names)
    default = [variant.name for variant in choose_variants((), batch_size)]
    rest = [name for name in known_variants(batch_size) if name not in {*told, *default}]
    return "\n".join([*blocks, "compared by default:", _indented(default), "others:", _indented(rest), OWN])


def _indented(names: Iterable[str]) -> str:
    return fill(" ".join(names), width=118, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
