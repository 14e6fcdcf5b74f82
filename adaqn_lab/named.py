"""What commands are given by name: an object of anybody's module, and what a misspelt word may have meant."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterable
from typing import Any


def meant(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` for a word that is like one of those which are known, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def load(module: str, name: str) -> Any:
    """Return the object ``name``, or ``name.name``, of a module in the current directory or an installed one.

    Raises LookupError, in one sentence.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        raise LookupError(f"The module {module!r} could not be imported ({text}); go to its folder.") from error
    for each in name.split("."):
        if not hasattr(found, each):
            hint = meant(each, dir(found)) or "; check the spelling."
            raise LookupError(f"The module {module!r} has no {name!r}{hint}")
        found = getattr(found, each)
    return found
