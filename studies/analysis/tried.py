"""What a variant was tuned at: its trials with their losses, and what the chosen settings are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.planning.plan import Plan, tuning_losses
from studies.planning.record import Record
from studies.planning.trials import Choice
from studies.variants.tuned import Range


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a variant was tuned at, and the validation losses of its runs; ``None`` for one that diverged."""

    lr: float
    fields: dict[str, float]
    losses: list[float | None]


def tried(name: str, plan: Plan, records: Sequence[Record]) -> tuple[Tried, ...]:
    """Return what is planned first and what was tuned: by point in the order of the plan, then by rate."""
    found: dict[Choice, list[float | None]] = {choice: [] for choice in plan.trials[name].choices}
    for choice, loss in tuning_losses(name, records):
        found.setdefault(choice, []).append(loss)
    points = list(dict.fromkeys(choice.fields for choice in found))
    ordered = sorted(found, key=lambda choice: (points.index(choice.fields), choice.lr))
    return tuple(Tried(lr=choice.lr, fields=dict(choice.fields), losses=found[choice]) for choice in ordered)


def method_with(stored: Mapping[str, Any], fields: Mapping[str, float]) -> str:
    """Return the method of a stored variant with the fields, as a `repr`."""
    points = stored.get("tunes", {"points": []})["points"]
    return str(next((point["method"] for point in points if point["fields"] == fields), stored["method"]))


def at_edge(stored: Mapping[str, Any], fields: Mapping[str, float]) -> tuple[str, ...]:
    """Return those of the fields whose value lies at the edge of its range."""
    ranges = stored.get("tunes", {"fields": {}})["fields"]
    return tuple(name for name, value in fields.items() if Range(*ranges[name]).at_edge(value))
