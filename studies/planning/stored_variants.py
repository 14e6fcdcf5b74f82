"""How a configuration keeps its variants, and whether a grown one keeps all that they had."""

from collections.abc import Mapping
from typing import Any

from studies.errors import InputError
from studies.planning.trials import Trials
from studies.variants.own import code_of
from studies.variants.tuned import Fields, told
from studies.variants.variant import Variant


def stored_variant(variant: Variant, trials: Trials, reference: Variant) -> dict[str, Any]:
    """Return a variant's method and trials as JSON values: rates, and where it tunes more the fields' points."""
    return {
        "method": repr(variant.method),
        "lr": list(trials.rates),
        "changes": variant.changes_from(reference),
        **({"code": code} if (code := code_of(variant)) else {}),
        **({"tunes": _tunes(variant, trials)} if trials.fields else {}),
    }


def _tunes(variant: Variant, trials: Trials) -> dict[str, Any]:
    ranges = {field.name: field.range for field in variant.tunes if field.name in trials.fields}
    return {
        "fields": {name: [found.low, found.high, found.scale] for name, found in ranges.items()},
        "points": [_point(variant, fields) for fields in trials.points],
    }


def _point(variant: Variant, fields: Fields) -> dict[str, Any]:
    return {"fields": dict(fields), "method": repr(variant.with_fields(fields).method)}


def check_kept(stored: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `InputError` unless the variants of ``now`` have all methods, rates and points of those of ``stored``."""
    if lost := [name for name in stored.get("tune", ()) if name not in now.get("tune", ())]:
        raise InputError(f"it tunes {lost[0]}, which --tune leaves out: name all that it tunes, with {lost[0]}")
    for name, before in stored["variants"].items():
        variant = now["variants"][name]
        if before["method"] != variant["method"]:
            raise InputError(f"its {name} was another method, {before['method']}")
        if before.get("code") != variant.get("code"):
            raise InputError(f"the code of its {name} was another one: bring that back, or give the new one a new name")
        _check_fields(name, before, variant, stored.get("draws", 1))
        if missing := [lr for lr in before["lr"] if lr not in variant["lr"]]:
            raise InputError(f"its learning rates of {name} are not among these ({missing[0]:g} is missing): "
                             "give the rates that it has, and more if you like, by --rates or --lr")  # fmt: skip


def _check_fields(name: str, before: Mapping[str, Any], now: Mapping[str, Any], draws: int) -> None:
    had, has = before.get("tunes", {"fields": {}, "points": []}), now.get("tunes", {"fields": {}, "points": []})
    if draws > 1 and had["fields"] != has["fields"]:
        fields = ", ".join(had["fields"]) or "nothing"
        raise InputError(f"its {name} tunes {fields} beside the rate and would tune {', '.join(has['fields'])}: give "
                         "the --tune that it has")  # fmt: skip
    if missing := [point for point in had["points"] if point not in has["points"]]:
        raise InputError(f"its {name} at {told(missing[0]['fields'])} is not among these: it was tuned by other code")
