"""All runs of a study as rows: CSV that reads back exactly, and Parquet where pyarrow is installed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adaqn_lab import Need
from studies.errors import InputError
from studies.planning.plan import Phase, Run
from studies.planning.record import Record
from studies.reports.csv import original, read_csv, write_csv
from studies.reports.schema import ABOVE_0, NOTHING, TEXT, TRUTH, Kind, ShapeError, check, from_json, maybe, number
from studies.reports.texts import plain
from studies.training.optimizer_stats import KEPT
from studies.training.outcome import LATER, Outcome
from studies.variants.tuned import NAMES

ROWS = "rows.csv"
FIELDS = "fields"
_CELL = [field.name for field in fields(Run) if field.name != FIELDS]
_OUTCOME = [field.name for field in fields(Outcome) if field.name not in LATER]
_COLUMNS = [*_CELL, "method", *_OUTCOME]
_WHERE_USED = [FIELDS, *LATER]
"""Columns of the rows of which some run says something there; the others have none."""
_TEXTS = ("phase", "variant", "method")
_COUNT, _STEPS = number(0, whole=True), number(1, whole=True)
_ROW = {
    "phase": Kind("a phase", lambda value: value in list(Phase)),
    "variant": TEXT,
    "method": TEXT,
    "lr": ABOVE_0,
    "seed": _COUNT,
    "diverged": TRUTH,
    "validation_loss": maybe(number()),
    "test_loss": maybe(number()),
    "steps": _STEPS,
    "seconds": number(0),
    "curve": [{"steps": _COUNT, "seconds": number(0), "loss": number(), "*": NOTHING}],
    **dict.fromkeys(("admitted", "skipped", "rollbacks", "steps_skipped"), maybe(_COUNT)),
    "events": {**{f"{kind.name}?": [_STEPS] for kind in KEPT}, "*": NOTHING},
    "calls": {**{f"{need.value}?": _COUNT for need in Need}, "*": NOTHING},
    "fields?": {**{f"{name}?": number() for name in NAMES}, "*": NOTHING},
    **dict.fromkeys(("ema_validation_loss?", "ema_test_loss?"), maybe(number())),
    "first_seconds?": number(0),
    "side_by_side?": _STEPS,
}
"""What a row's values are, once they are read as JSON."""


def row_of(record: Record) -> dict[str, Any]:
    """Return the run as a row: cell, method, outcome, and its environment's versions, commit and device."""
    return {**record.cell.told, "method": record.method, **record.outcome.to_json(), **record.environment}


def write_rows(records: Sequence[Record], path: Path) -> None:
    """Write the rows as CSV; curves, events and calls are JSON in their fields, a missing value is empty."""
    rows = [row_of(record) for record in records]
    names = _names(rows)
    write_csv(path, [names, *([field_of(row.get(name)) for name in names] for row in rows)], end="\n")


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    used = [name for name in _WHERE_USED if any(name in row for row in rows)]
    return list(dict.fromkeys([*_COLUMNS, *used, *(name for row in rows for name in row)]))


def field_of(value: Any) -> Any:
    """Return the value as its field of rows.csv says it."""
    structured = isinstance(value, bool | dict | list | tuple)
    return json.dumps(value, separators=(",", ":")) if structured else value


def read_rows(path: Path) -> list[Record]:
    """Return the runs that `write_rows` wrote; the values of their environments as text.

    Raises `InputError` for a file that is not such a table.
    """
    try:
        return [_record(row, place) for place, row in enumerate(read_csv(path, _COLUMNS), start=2)]
    except ShapeError as error:
        raise InputError(
            f"{plain(path)} is no table of runs that this program wrote: {plain(error)}; restore it from a copy, "
            "it was left as it is."
        ) from error


def _record(row: dict[str, str], line: int) -> Record:
    values: dict[str, Any] = {name: original(row[name]) for name in _TEXTS}
    values |= {
        name: from_json(row[name], f"line {line}.{name}") if row[name] else None
        for name in _COLUMNS
        if name not in _TEXTS
    }
    values |= {name: from_json(row[name], f"line {line}.{name}") for name in _WHERE_USED if row.get(name)}
    check(values, _ROW, f"line {line}")
    outcome = Outcome.from_json({name: values[name] for name in (*_OUTCOME, *LATER) if name in values})
    if reason := _odd(outcome):
        raise ShapeError(f"in line {line} {reason}")
    known = (*_COLUMNS, *_WHERE_USED)
    return Record(
        cell=Run.of({name: values[name] for name in (*_CELL, FIELDS) if name in values} | {"lr": float(values["lr"])}),
        outcome=outcome,
        method=values["method"],
        environment={name: original(value) or None for name, value in row.items() if name not in known},
    )


def _odd(outcome: Outcome) -> str:
    """Return what no run's outcome can be, or an empty string."""
    losses, steps = (outcome.validation_loss, outcome.test_loss), [point.steps for point in outcome.curve]
    if any((loss is None) != outcome.diverged for loss in losses):
        return "a diverged run has a loss, or another one has none"
    if steps[0] != 0 or steps != sorted(set(steps)) or steps[-1] > outcome.steps:
        return "the curve's steps do not rise from 0 to those of the run"
    if not outcome.diverged and (steps[-1], outcome.curve[-1].loss) != (outcome.steps, outcome.validation_loss):
        return "the curve does not end at the run's steps and validation loss"
    return "an event is beyond the run's steps" if any(step > outcome.steps for step, _ in outcome.events) else ""


def has_parquet() -> bool:
    """Return whether `write_parquet` can."""
    return find_spec("pyarrow") is not None


def write_parquet(records: Sequence[Record], path: Path) -> None:
    """Write the rows as Parquet, curves and events as nested lists; takes pyarrow."""
    import pyarrow
    import pyarrow.parquet

    rows = [row_of(record) for record in records]
    # Of a list of rows pyarrow keeps the columns of the first.
    rows = [dict.fromkeys(_names(rows)) | row for row in rows]
    for row in rows:
        # A map with keys that differ from row to row has no common type.
        row |= {name: json.dumps(row[name]) for name in ("calls", FIELDS) if row.get(name) is not None}
        row["events"] = [{"step": step, "kind": kind} for kind, steps in row["events"].items() for step in steps]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
