"""CSV that a spreadsheet takes for data only, and that reads back exactly."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from studies.reports.schema import ShapeError, text_of

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
LONGEST = 2**24
"""Characters of the longest field that is read."""


def write_csv(path: Path, lines: Iterable[Iterable[Any]], end: str = "\r\n") -> None:
    """Write the lines; a missing value is empty, and a text that a spreadsheet would run begins with an apostrophe."""
    path.write_text(csv_text(lines, end), encoding="utf-8", errors="backslashreplace", newline="")


def csv_text(lines: Iterable[Iterable[Any]], end: str = "\r\n") -> str:
    """Return what `write_csv` writes."""
    return "".join(",".join(map(_field, line)) + end for line in lines)


def _field(value: Any) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = f"'{value}" if _FORMULA.match(value) else value
    # Not csv.writer: it leaves a lone carriage return bare, which csv.reader takes for the end of the line.
    return '"{}"'.format(text.replace('"', '""')) if any(mark in text for mark in ',"\r\n') else text


def original(text: str) -> str:
    """Return the text that was written as this one."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def read_csv(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the lines by heading; `ShapeError` when one is not whole or a ``needed`` column is missing."""
    csv.field_size_limit(LONGEST)
    try:
        lines = list(csv.reader(io.StringIO(text_of(path), newline=""), strict=True))
    except csv.Error as error:
        raise ShapeError(f"it is no CSV, {error}") from error
    if not lines:
        raise ShapeError("it is empty")
    names, *lines = lines
    missing = [name for name in needed if name not in names]
    if missing or len(set(names)) < len(names):
        raise ShapeError(f"it has no column {missing[0]}" if missing else "it has a column twice")
    for place, line in enumerate(lines, start=2):
        if len(line) != len(names):
            raise ShapeError(f"line {place} has {len(line)} fields instead of {len(names)}")
    return [dict(zip(map(original, names), line, strict=True)) for line in lines]
