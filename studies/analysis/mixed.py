"""Whether results come from the same code: what stands in one table must, or say so."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def mixed(environments: Iterable[Mapping[str, Any]]) -> str:
    """Return a sentence on the code and torch of the runs in these environments; empty when all have the same."""
    counts = Counter(map(_code, environments))
    if len(counts) < 2:
        return ""
    (first, most), *others = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{most} of {counts.total()} runs are {first}", *(f"{count} {code}" for code, count in others)]
    return f"MIXED: {', '.join(told)}: differences may come from the code."


def _code(environment: Mapping[str, Any]) -> str:
    code = str(environment.get("sources") or environment.get("commit") or "unknown")
    changed = "+" if code.endswith("+") else ""
    return f"of code {code.removesuffix('+')[:12]}{changed} with torch {environment.get('torch') or 'unknown'}"
