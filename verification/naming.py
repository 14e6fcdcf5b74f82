"""A wrong part's name is its fault."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import partial
from typing import Any


def name_of(kind: type) -> str:
    """``WindowOffByOne`` -> ``window_off_by_one``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()


def by_name(*kinds: type, **fields: Any) -> dict[str, Callable[[], Any]]:
    """Name -> factory; each part gets those of ``fields`` that it has."""
    return {name_of(kind): partial(kind, **{k: v for k, v in fields.items() if k in _names(kind)}) for kind in kinds}


def _names(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
