"""A shipped part as the laws see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from verification.law import Factory, Law, Property, Subject


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """All that is to be said of one part, in one file: it is found by being there.

    ``variations``: factories of the part with the hyper-parameters in which the laws are checked on it. ``declares``:
    the properties which it is held to, or a function of the part which tells them. ``laws``: those which are stated
    beside it. ``mutants``: name -> factory of the part with one fault.
    """

    role: Subject
    kind: type
    variations: tuple[Factory, ...]
    declares: frozenset[Property] | Callable[[Any], frozenset[Property]]
    laws: tuple[Law, ...] = ()
    mutants: Mapping[str, Factory] = field(default_factory=dict)

    def properties(self, part: Any) -> frozenset[Property]:
        """What ``part``, one of this kind, is held to."""
        return self.declares(part) if callable(self.declares) else self.declares
