"""Every law, property, shipped part and mutant: a file is found by where it lies, nobody keeps a second list.

A file of these packages may have ``LAWS``, a tuple; ``MUTANTS``, subject -> name -> factory; ``SPECIMEN``; and
properties at its top level.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from verification.law import Factory, Law, Property, Subject
from verification.specimen import Specimen

PACKAGES = ("operator", "contracts", "pairs", "scaling", "memory", "steppers", "guards", "optimizer", "drive")
"""Folders of ``verification``, in the order in which reports name their laws."""


def _modules() -> list[ModuleType]:
    found = []
    for package in (importlib.import_module(f"verification.{name}") for name in PACKAGES):
        names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
        found += [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return found


_FOUND = _modules()
SPECIMENS: tuple[Specimen, ...] = tuple(m.SPECIMEN for m in _FOUND if hasattr(m, "SPECIMEN"))
"""Every shipped part."""
LAWS: tuple[Law, ...] = tuple(
    law for m in _FOUND for law in (*getattr(m, "LAWS", ()), *(m.SPECIMEN.laws if hasattr(m, "SPECIMEN") else ()))
)
"""All laws; their names are unique."""
PROPERTIES: dict[str, Property] = {x.word: x for m in _FOUND for x in vars(m).values() if isinstance(x, Property)}
"""Word -> property, of all that a part may declare."""


def _mutants() -> dict[Subject, dict[str, Factory]]:
    found: dict[Subject, dict[str, Factory]] = {subject: {} for subject in Subject}
    for module in _FOUND:
        for subject, named in getattr(module, "MUTANTS", {}).items():
            found[subject].update(named)
    for specimen in SPECIMENS:
        found[specimen.role].update(specimen.mutants)
    return found


MUTANTS: dict[Subject, dict[str, Factory]] = _mutants()
"""What it is about -> name -> factory of the wrong operator, part or method."""
