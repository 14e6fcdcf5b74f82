"""The shape that stored values must have, and the first place where they have another one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

LARGEST = 2**53


class ShapeError(ValueError):
    """A stored value is not what it must be; the message says which and why."""


@dataclass(frozen=True)
class Kind:
    """A kind of value: in words, and how to tell it."""

    told: str
    holds: Callable[[Any], bool]


Shape = Kind | list[Any] | Mapping[str, Any]
"""A kind; a list of one shape for all its values; or an object's shapes by key.

A key that may be absent ends in ``?``; ``*`` stands for all keys that are not named, which else may be anything.
"""
TEXT = Kind("a text", lambda value: isinstance(value, str))
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
SCALAR = Kind(
    "a text, a number, true, false or null",
    lambda value: isfinite(value) if isinstance(value, float) else not isinstance(value, dict | list),
)


def number(least: float = -inf, most: float = inf, *, whole: bool = False) -> Kind:
    """Return the kind of the finite numbers from ``least`` to ``most``, or of the integers among them."""
    most = min(most, LARGEST) if whole else most
    ends = ("" if least == -inf else f" from {least:g} on") + ("" if most in (inf, LARGEST) else f" up to {most:g}")
    types = (int,) if whole else (int, float)
    return Kind(
        f"{'an integer' if whole else 'a number'}{ends}",
        lambda value: type(value) in types and least <= value <= most and (whole or isfinite(value)),
    )


NOTHING = Kind("anything that is known here", lambda value: False)
ABOVE_0 = Kind("a number above 0", lambda value: number().holds(value) and value > 0)


def maybe(kind: Kind) -> Kind:
    """Return the kind with null."""
    return Kind(f"{kind.told} or null", lambda value: value is None or kind.holds(value))


def check(value: Any, shape: Shape, where: str = "it") -> None:
    """Raise `ShapeError` with the first place at which ``value`` does not have the shape."""
    if isinstance(shape, Kind):
        if not shape.holds(value):
            raise ShapeError(f"{where} is {_shown(value)}, not {shape.told}")
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            raise ShapeError(f"{where} is {_shown(value)}, not a list with something in it")
        for place, inner in enumerate(value):
            check(inner, shape[0], f"{where}[{place}]")
    else:
        if not isinstance(value, dict):
            raise ShapeError(f"{where} is {_shown(value)}, not an object")
        _check_keys(value, shape, "" if where == "it" else f"{where}.")


def _check_keys(value: dict[str, Any], shape: Mapping[str, Any], before: str) -> None:
    named = {key.removesuffix("?"): inner for key, inner in shape.items() if key != "*"}
    for key in named:
        if key not in value and f"{key}?" not in shape:
            raise ShapeError(f"{before}{key} is missing")
    for key, inner in value.items():
        if key in named or "*" in shape:
            check(inner, named[key] if key in named else shape["*"], f"{before}{key}")


def _shown(value: Any) -> str:
    told = repr(value) if not isinstance(value, int) or abs(value) <= LARGEST else "a huge number"
    return told if len(told) <= 40 else f"{told[:40]}…"


def text_of(path: Path) -> str:
    """Return a file's text with its line ends; `ShapeError` when it is no file of UTF-8."""
    if not path.is_file():
        raise ShapeError("it is no file" if path.exists() or path.is_symlink() else "it is missing")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ShapeError(f"it is no UTF-8 text, {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise ShapeError(f"it cannot be read, {error.strerror}") from error


def from_json(text: str, where: str = "it") -> Any:
    """Return the value; `ShapeError` for what is no JSON, NaN and infinities and a key twice among it."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except ShapeError as error:
        raise ShapeError(f"{where} is no JSON, {error}") from error
    except json.JSONDecodeError as error:
        raise ShapeError(f"{where} is no JSON, {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise ShapeError(f"{where} is no JSON that can be read, a number is too long or lists are too deep") from error


def _no_constant(name: str) -> float:
    raise ShapeError(f"{name} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ShapeError("a key stands twice in an object")
    return found
