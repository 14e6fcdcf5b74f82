"""A recipe with its name, its citation and how sure its definition is."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from adaqn_lab.cadence import Cadence
from adaqn_lab.recipe import Recipe


class Evidence(enum.Enum):
    """What the definition of a method rests on; no method is claimed to be its paper line by line."""

    CODE = "a public code was read"
    DOCUMENTED = "an abstract or a documentation was read"
    MEMORY = "memory of the literature, not verified"
    PROPOSAL = "this library's proposal"


@dataclass(frozen=True, kw_only=True)
class Named:
    """One row of the table of methods: ``note`` says in a sentence what it is and what was left out.

    ``motivation``: a paragraph on why anyone should want it, for what this library proposes.
    """

    name: str
    recipe: Recipe
    citation: str
    evidence: tuple[Evidence, ...]
    note: str
    motivation: str = ""


EVERY_STEP = Cadence(every=1, after_step=True, from_start=True, always_advance=True)
"""One displacement a step, s = w_{k+1} - w_k, from the initial point on, whether or not the pair is admitted."""
