"""The results file: a first line on the whole, then one JSON line for each finished method."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.convex.methods import Method
from studies.convex.training import Trial
from studies.errors import InputError
from studies.planning.experiment import what_differs

RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Result:
    """All runs of a method, the learning rate chosen (``None``: all tuning diverged), and whether on the edge."""

    name: str
    method: str
    lr: float | None
    at_edge: bool
    tuning: tuple[Trial, ...]
    evaluation: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; of a tuning run the last mark only."""
        tuning = [{**trial.to_json(), "curve": trial.to_json()["curve"][-1:]} for trial in self.tuning]
        return {**vars(self), "tuning": tuning, "evaluation": [trial.to_json() for trial in self.evaluation]}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Result":
        """Return the result that `to_json` described."""
        trials = {role: tuple(map(Trial.from_json, stored[role])) for role in ("tuning", "evaluation")}
        return cls(**{**stored, **trials})


class Lines:
    """The file in ``directory``. Raises `InputError` when it is not one of a showcase, or one of another."""

    def __init__(self, directory: Path, configuration: dict[str, Any], provenance: dict[str, Any]) -> None:
        self.path = directory / RESULTS
        stored = self._read()
        if not stored:
            self.provenance = provenance
            self.path.write_text("", encoding="utf-8")
            self._append({"configuration": configuration, "provenance": provenance})
            stored = self._read()
        head, *results = stored
        try:
            self.provenance, found = head["provenance"], head["configuration"]
            self._results = {result.name: result for result in map(Result.from_json, results)}
        except (KeyError, TypeError, AttributeError) as error:
            raise self._not_ours() from error
        if differences := what_differs(found, configuration):
            raise InputError(
                f"{directory} holds another showcase: {differences}; repeat that one's command to "
                "continue it, or give another directory with --out."
            )

    def _not_ours(self) -> InputError:
        return InputError(
            f"{self.path} is not the results file of a showcase: give another directory with --out; "
            "the file was left as it is."
        )

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        raw = self.path.read_bytes()
        if raw and not raw.startswith(b'{"configuration"'):
            raise self._not_ours()
        whole = raw[: raw.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise self._not_ours() from error
        if whole != raw:
            # The last command was killed while it wrote; that method trains again.
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        return lines

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def add(self, result: Result) -> None:
        """Keep a finished method."""
        self._append(result.to_json())
        self._results[result.name] = result

    def find(self, method: Method) -> Result | None:
        """Return the method's result; ``None`` when it has none, or one of an earlier form of the method."""
        result = self._results.get(method.name)
        return result if result is not None and result.method == repr(method.method) else None
