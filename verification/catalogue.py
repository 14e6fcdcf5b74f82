"""The files about a subject are found by where they lie; nobody keeps a second list of them."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

PACKAGES = ("verification.contracts",)
"""Where laws and wrong parts lie."""


def modules() -> list[ModuleType]:
    """Every file of these packages, by package and name."""
    found = []
    for package in map(importlib.import_module, PACKAGES):
        names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
        found += [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return found
