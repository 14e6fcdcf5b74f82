"""The files of a record: written once, and checked whenever they are read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.analysis.completeness import what_is_odd
from studies.analysis.summary import Summary, summary_of
from studies.errors import InputError
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.planning.experiment import Experiment
from studies.reports.rows import ROWS, field_of, read_rows, write_rows
from studies.reports.schema import (
    ABOVE_0,
    NOTHING,
    SCALAR,
    TEXT,
    TRUTH,
    Kind,
    Shape,
    ShapeError,
    check,
    from_json,
    maybe,
    number,
    text_of,
)
from studies.reports.texts import plain
from studies.variants.tuned import NAMES, is_range

CONFIGURATION, ENVIRONMENT = "configuration.json", "environment.json"
_COUNT, _POSITIVE = number(0, whole=True), number(1, whole=True)
_RANGE = Kind("a range of values, from low to high on a scale", is_range)
_TUNES: Shape = {
    "fields": {**dict.fromkeys((f"{name}?" for name in NAMES), _RANGE), "*": NOTHING},
    "points": [{"fields": {**dict.fromkeys((f"{name}?" for name in NAMES), number()), "*": NOTHING}, "method": TEXT}],
}
OF_A_STUDY: Shape = {
    "kind?": Kind(Experiment.kind, lambda value: value == Experiment.kind),
    **dict.fromkeys(("text", "text_sha256", "model", "reference?", "question?", "task?", "task_in_words?"), TEXT),
    **dict.fromkeys(("steps", "tuning_seeds", "side_by_side?"), _POSITIVE),
    "seeds": number(1, FIRST_TUNING_SEED - FIRST_EVALUATION_SEED, whole=True),
    **dict.fromkeys(("text_characters", "symbols", "rounds?"), _COUNT),
    "text_unigram_entropy": maybe(number()),
    "rates": maybe(_POSITIVE),
    "factor?": maybe(TEXT),
    "windows": {"monitor_batches?": number(0), "*": SCALAR},
    "architecture": {"*": SCALAR},
    "schedule": {
        "clip": number(0), "divergence": number(0), "decay?": maybe(TEXT), "ema?": maybe(number(0, 1)), "*": number(0),
    },
    "tf32?": TRUTH,
    "tune?": [TEXT],
    "draws?": _POSITIVE,
    "lr_given?": [ABOVE_0],
    "variants": {"*": {"method": TEXT, "lr": [ABOVE_0], "changes": {"*": TEXT}, "code?": TEXT, "tunes?": _TUNES}},
}  # fmt: skip
"""What the configuration of an ablation holds; those of its keys that came later may be absent."""
OF_ITS_ORIGIN: Shape = {
    **dict.fromkeys(("command", "started", "system", "processor"), TEXT),
    "workers": _COUNT,
    "commands?": [{**dict.fromkeys(("command", "started"), TEXT), "workers": _COUNT}],
    "*": SCALAR,
}
"""What is known of where a study was made; ``commands`` where it grew."""
_ENVIRONMENT: Shape = {"study": OF_ITS_ORIGIN, "runs": [{"*": SCALAR}], "failed?": {"*": TEXT}}


def write_record(summary: Summary, failed: Mapping[str, str], folder: Path) -> None:
    """Write configuration, environment and rows; ``failed`` tells the runs without an outcome by key."""
    environments = {json.dumps(dict(found.environment), sort_keys=True) for found in summary.records}
    told = {"study": summary.provenance, "runs": [json.loads(found) for found in sorted(environments)]}
    _write_json(folder / CONFIGURATION, summary.configuration)
    _write_json(folder / ENVIRONMENT, told | ({"failed": dict(failed)} if failed else {}))
    write_rows(summary.records, folder / ROWS)


def _write_json(path: Path, value: Any) -> None:
    # A name that is no Unicode keeps its bytes as escapes.
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace")


def read_record(folder: Path) -> tuple[Summary, dict[str, str]]:
    """Return the summary and the errors of runs that failed; `InputError` when the record is not whole."""
    configuration = _read(folder, CONFIGURATION, OF_A_STUDY)
    environment = _read(folder, ENVIRONMENT, _ENVIRONMENT)
    records = read_rows(folder / ROWS)
    failed = environment.get("failed", {})
    if reason := what_is_odd(configuration, records, failed):
        raise _refusal(folder, ROWS, f"does not hold what {CONFIGURATION} asks for, {reason}")
    told, ran = ({_as_told(each) for each in runs} for runs in (environment["runs"], (r.environment for r in records)))
    if told != ran:
        raise _refusal(folder, ENVIRONMENT, f"does not tell the environments of the runs in {ROWS}")
    return summary_of(configuration, environment["study"], records, failed), failed


def _as_told(environment: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return an environment as rows.csv says it."""
    return frozenset((name, str(field_of(value))) for name, value in environment.items() if value not in (None, ""))


def _read(folder: Path, name: str, shape: Shape) -> Any:
    try:
        value = from_json(text_of(folder / name))
        check(value, shape)
        return value
    except ShapeError as error:
        raise _refusal(folder, name, f"is not as the command record writes it: {error}") from error


def _refusal(folder: Path, name: str, reason: str) -> InputError:
    return InputError(
        f"{plain(folder)} is no record: {name} {plain(reason)}; restore it from a copy, it was left as it is."
    )
