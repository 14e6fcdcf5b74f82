"""What the records of a journal must be, so that Optuna can replay them."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

FOLLOWS = "follows"
"""The field with the checksum of the line before; Optuna looks past fields that it does not know."""
DEEPEST = 100
"""Deeper nesting is garbage: it would exhaust the stack wherever values are copied."""
CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL = 0, 1, 4
_OF_A_STUDY, _OF_A_TRIAL = range(1, 5), range(5, 10)

Record = dict[str, Any]


def record_of(line: bytes) -> Record | None:
    """Return the record in a line, or ``None`` when there is none that could be replayed."""
    try:
        record = json.loads(line.decode())
        if line.count(b"[") + line.count(b"{") > DEEPEST and _is_too_deep(record):
            return None
        _whole(record["op_code"])
        _text(record["worker_id"])
        _whole(record.get(FOLLOWS, 0))
        _CHECKS[record["op_code"]](record)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
    checked: Record = record
    return checked


def begins_like_a_record(content: bytes) -> bool:
    """Return whether an unfinished first line may be what a killed writer left."""
    first = b'{"op_code":0,'
    return content.startswith(first) or first.startswith(content)


class Made:
    """The studies and trials that the records so far have made, which the next one may name."""

    def __init__(self) -> None:
        self._living: dict[int, str] = {}
        self._studies = self._trials = 0

    def missing(self, record: Record) -> str | None:
        """Return what the record names and is not there, if anything."""
        operation = record["op_code"]
        if operation in _OF_A_STUDY and not 0 <= record["study_id"] < self._studies:
            return "a study"
        if operation in _OF_A_TRIAL and not 0 <= record["trial_id"] < self._trials:
            return "a trial"
        return None

    def take(self, record: Record) -> None:
        """Let later records name what this one makes."""
        operation = record["op_code"]
        if operation == CREATE_STUDY and record["study_name"] not in self._living.values():
            self._living[self._studies] = record["study_name"]
            self._studies += 1
        elif operation == DELETE_STUDY:
            self._living.pop(record["study_id"], None)
        elif operation == CREATE_TRIAL and record["study_id"] in self._living:
            self._trials += 1


def _is_too_deep(record: object) -> bool:
    level = [record]
    for _ in range(DEEPEST):
        level = [
            value
            for one in level
            for value in (one.values() if type(one) is dict else one if type(one) is list else ())
            if type(value) is dict or type(value) is list
        ]
    return bool(level)


def _whole(value: object) -> None:
    if type(value) is not int or abs(value) >= 2**63:
        raise TypeError(type(value))


def _number(value: object) -> None:
    if type(value) is not float:
        _whole(value)


def _text(value: object) -> None:
    if type(value) is not str:
        raise TypeError(type(value))


def _table(value: object, length: int | None = None) -> None:
    if type(value) is not dict or length not in (None, len(value)):
        raise TypeError(type(value))


def _moment(value: str) -> None:
    datetime.fromisoformat(value).astimezone()


def _study_made(record: Record) -> None:
    _text(record["study_name"])
    if not record["directions"]:
        raise ValueError("no directions")
    for direction in record["directions"]:
        _whole(direction)
        StudyDirection(direction)


def _of_a_study(record: Record) -> None:
    _whole(record["study_id"])


def _of_a_trial(record: Record) -> None:
    _whole(record["trial_id"])


def _with(owner: Callable[[Record], None], attribute: str) -> Callable[[Record], None]:
    def check(record: Record) -> None:
        owner(record)
        _table(record[attribute], 1)

    return check


def _values(values: object) -> None:
    if values is None:
        return
    if type(values) is not list:
        raise TypeError(type(values))
    for value in values:
        _number(value)


def _trial_made(record: Record) -> None:
    _of_a_study(record)
    if record["datetime_start"] is not None:
        _moment(record["datetime_start"])
    TrialState(record.get("state", 0))
    _values(record.get("values"))
    if record.get("value") is not None:
        _number(record["value"])
        if record.get("values") is not None:
            raise ValueError("two kinds of values")
    if "datetime_complete" in record:
        _moment(record["datetime_complete"])
    for name in ("user_attrs", "system_attrs", "distributions", "params", "intermediate_values"):
        _table(record.get(name, {}))
    for name, value in record.get("params", {}).items():
        _parameter(value, record["distributions"][name])
    for distribution in record.get("distributions", {}).values():
        json_to_distribution(distribution)
    for step, value in record.get("intermediate_values", {}).items():
        int(step)
        _number(value)


def _parameter(value: float, distribution: str) -> None:
    _number(value)
    json_to_distribution(distribution).to_external_repr(value)


def _parameter_set(record: Record) -> None:
    _of_a_trial(record)
    _text(record["param_name"])
    _parameter(record["param_value_internal"], record["distribution"])


def _state_set(record: Record) -> None:
    _of_a_trial(record)
    _whole(record["state"])
    state = TrialState(record["state"])
    if state == TrialState.RUNNING:
        _moment(record["datetime_start"])
    elif state.is_finished():
        _moment(record["datetime_complete"])
    _values(record["values"])


def _intermediate_set(record: Record) -> None:
    _of_a_trial(record)
    _whole(record["step"])
    _number(record["intermediate_value"])


_CHECKS: dict[int, Callable[[Record], None]] = {
    CREATE_STUDY: _study_made,
    DELETE_STUDY: _of_a_study,
    2: _with(_of_a_study, "user_attr"),
    3: _with(_of_a_study, "system_attr"),
    CREATE_TRIAL: _trial_made,
    5: _parameter_set,
    6: _state_set,
    7: _intermediate_set,
    8: _with(_of_a_trial, "user_attr"),
    9: _with(_of_a_trial, "system_attr"),
    10: lambda record: None,  # written by another program, and passed over
}
