"""The same part with a smaller store: what goes wrong when it is full, or full twice, comes early then."""

from __future__ import annotations

import dataclasses
from typing import Any

FIELDS = ("window", "rows", "capacity", "history", "size")
"""Under which names a part says how much it holds."""


def shrunk(part: Any, size: int, every: int | None = None) -> Any:
    """``part`` with every such field at most ``size``, and with windows of ``every`` steps if it has a field of them.

    Likewise the part ``of`` inside it. Itself where it has no such field or takes no other value.
    """
    if not dataclasses.is_dataclass(part) or isinstance(part, type):
        return part
    names = {field.name for field in dataclasses.fields(part) if field.init}
    fields = {name: getattr(part, name) for name in FIELDS if name in names}
    smaller: dict[str, Any] = {name: size for name, value in fields.items() if type(value) is int and value > size}
    if "of" in names:
        smaller["of"] = shrunk(part.of, size, every)  # type: ignore[attr-defined]
    if every is not None and "every" in names:
        smaller["every"] = every
    try:
        return dataclasses.replace(part, **smaller) if smaller else part
    except (TypeError, ValueError):
        return part
