"""All runs of a study as rows: CSV that reads back exactly, and Parquet where pyarrow is installed."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from studies.errors import InputError
from studies.planning.record import Record
from studies.planning.plan import Phase, Run
from studies.training.outcome import Outcome

NO_PARQUET = "rows.parquet is not written: that takes pyarrow, in adaqn-lab[parquet]."
_CELL, _OUTCOME = [field.name for field in fields(Run)], [field.name for field in fields(Outcome)]
_COLUMNS = [*_CELL, "method", *_OUTCOME]


def row_of(record: Record) -> dict[str, Any]:
    """Return the run as a row: cell, method, outcome, and its environment's versions, commit and device."""
    return {**asdict(record.cell), "method": record.method, **record.outcome.to_json(), **record.environment}


def write_rows(records: Sequence[Record], path: Path) -> None:
    """Write the rows as CSV; curves, events and calls are JSON in their fields, a missing value is empty."""
    rows = [row_of(record) for record in records]
    names = list(dict.fromkeys([*_COLUMNS, *(name for row in rows for name in row)]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_field(row.get(name)) for name in names] for row in rows)


def _field(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def read_rows(path: Path) -> list[Record]:
    """Return the runs that `write_rows` wrote; the values of their environments as text.

    Raises `InputError` for a file that is not such a table.
    """
    csv.field_size_limit(2**24)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_record(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is no table of runs ({type(error).__name__}: {error}): give the directory of a record."
        ) from error


def _record(row: dict[str, str]) -> Record:
    outcome = {name: json.loads(row[name]) if row[name] else None for name in _OUTCOME}
    return Record(
        cell=Run(phase=Phase(row["phase"]), variant=row["variant"], lr=float(row["lr"]), seed=int(row["seed"])),
        outcome=Outcome.from_json(outcome),
        method=row["method"],
        environment={name: value or None for name, value in row.items() if name not in _COLUMNS},
    )


def has_parquet() -> bool:
    """Return whether `write_parquet` can."""
    return find_spec("pyarrow") is not None


def write_parquet(records: Sequence[Record], path: Path) -> None:
    """Write the rows as Parquet, curves and events as nested lists; takes pyarrow."""
    import pyarrow
    import pyarrow.parquet

    rows = [row_of(record) for record in records]
    for row in rows:
        # A map with keys that differ from row to row has no common type.
        row["calls"] = json.dumps(row["calls"])
        row["events"] = [{"step": step, "kind": kind} for kind, steps in row["events"].items() for step in steps]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
