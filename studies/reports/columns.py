"""Tables for readers: a column's heading, cell and numbers stand in one place, and every form of a table follows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Generic, TypeVar

from studies.reports.csv import write_csv

MISSING = "–"
R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column: its heading, what a row's cell says (``None``: nothing), and its numbers by their CSV keys.

    ``table`` names the table that shows it where several share a CSV file, empty for all of them; a column
    without ``text`` is in the CSV only. ``left``: set to the left, as names are.
    """

    heading: str
    text: Callable[[R], str | None] | None
    numbers: Mapping[str, Callable[[R], Any]] = field(default_factory=dict)
    table: str = ""
    left: bool = False


@dataclass(frozen=True)
class Table(Generic[R]):
    """Those of ``columns`` that the table ``name`` shows; ``last`` are cells of a line below the rows."""

    columns: Sequence[Column[R]]
    rows: Sequence[R]
    name: str = ""
    last: tuple[str, ...] = ()

    @property
    def shown(self) -> list[Column[R]]:
        """The columns."""
        return [column for column in self.columns if column.text is not None and column.table in ("", self.name)]

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings."""
        return tuple(column.heading for column in self.shown)

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The cells of each line."""
        texts = [column.text for column in self.shown if column.text is not None]
        lines = [tuple(MISSING if (cell := text(row)) is None else cell for text in texts) for row in self.rows]
        return [*lines, self.last + (MISSING,) * (len(texts) - len(self.last))] if self.last else lines


def numbers(columns: Iterable[Column[R]], row: R) -> dict[str, Any]:
    """Return the row's numbers by CSV key."""
    return {key: number(row) for column in columns for key, number in column.numbers.items()}


def write_table(
    columns: Sequence[Column[R]], rows: Sequence[R], path: Path, *more: Sequence[Any], end: str = "\r\n"
) -> None:
    """Write one line per row with unrounded numbers, and ``more`` lines; an empty field is a missing one."""
    keys = dict.fromkeys(key for column in columns for key in column.numbers)
    write_csv(path, [keys, *(numbers(columns, row).values() for row in rows), *more], end)


def at(*same: str, **paths: str) -> dict[str, Callable[[Any], Any]]:
    """Return numbers by CSV key: attributes of the row, those of ``same`` under their own names.

    ``loss="loss.mean"`` leads through an attribute, and to nothing where that is ``None``.
    """

    def of(path: str) -> Callable[[Any], Any]:
        return lambda row: reduce(_attribute, path.split("."), row)

    return {key: of(path) for key, path in {**{name: name for name in same}, **paths}.items()}


def _attribute(value: Any, name: str) -> Any:
    return None if value is None else getattr(value, name)


def fixed(value: float | None, form: str) -> str | None:
    """Return the number in the form; nothing for none."""
    return None if value is None else format(value, form)


def rate(lr: float | None, at_edge: bool) -> str | None:
    """Return a learning rate, with a star on the edge of its grid."""
    return None if lr is None else f"{lr:g}" + "*" * at_edge
