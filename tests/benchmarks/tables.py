"""The tables of ``docs/speed.md`` from pytest-benchmark's records: Markdown, one function a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.benchmarks.bandwidth import floor_fraction
from tests.benchmarks.timing import PLAIN

Record = dict[str, Any]
READ, TRAINING, TORCH = "streaming read", "forward and backward", "torch.optim.LBFGS"


def records(document: dict[str, Any], group: str) -> list[Record]:
    """The facts of a group's benchmarks."""
    return [benchmark["extra_info"] for benchmark in document["benchmarks"] if benchmark["group"] == group]


def direction(document: dict[str, Any]) -> str:
    """Times and fraction of the floor; how many times as long the others take; errors."""
    rows = records(document, "direction")
    peers = _labels(rows, leave_out=(READ,))
    head = ["n", "m", "R", "ms", "of the floor", *(f"× {peer}" for peer in peers), "error", *(f"{p}'s" for p in peers)]
    lines = []
    for row in rows:
        case, ratios, errors = row["case"], row["ratios"], row["errors"]
        fraction = floor_fraction(ratios[READ]["value"])
        lines.append(
            [
                *(f"{case['n']:.0e}".replace("e+0", "e"), str(case["m"]), str(case["R"])),
                *(f"{1e3 * row['medians']['own']:.3g}", f"{fraction:.2f}"),
                *(_ratio(ratios.get(peer)) for peer in peers),
                *(_number(errors.get(name)) for name in ("own", *peers)),
            ]
        )
    return _markdown(head, lines)


def plain(document: dict[str, Any]) -> str:
    """The direction in plain torch, without kernels: how many times as long torch's own loop takes."""
    rows = [row for row in records(document, "direction") if TORCH in row.get("plain ratios", {})]
    head = ["n", "m", "R", "plain torch, ms", f"× {TORCH}"]
    return _markdown(
        head,
        [
            [
                *(f"{row['case']['n']:.0e}".replace("e+0", "e"), str(row["case"]["m"]), str(row["case"]["R"])),
                f"{1e3 * row['medians'].get(PLAIN, row['medians']['own']):.3g}",
                _ratio(row["plain ratios"][TORCH]),
            ]
            for row in rows
        ],
    )


def step(document: dict[str, Any]) -> str:
    """A step's time over that of each of torch's optimizers; bytes of state."""
    rows = records(document, "step")
    peers = _labels(rows)
    head = ["parameters", "recipe", "ms a step", *(f"/ {peer}" for peer in peers), "state, bytes per parameter"]
    lines = [
        [
            *(row["case"]["size"], row["case"]["recipe"]),
            f"{1e3 * row['medians']['own'] / row['case']['steps']:.3g}",
            *(_inverse(row["ratios"].get(peer)) for peer in peers),
            f"{row['bytes']['own'] / row['case']['n']:.0f}",
        ]
        for row in rows
    ]
    return _markdown(head, lines)


def pieces(document: dict[str, Any]) -> str:
    """Each piece's time, and over a streaming read of what it must read at least."""
    head, lines = ["piece", "n", "what", "ms", "/ streaming read"], []
    for group in ("pair generation", "observation", "insertion", "gather and scatter"):
        for row in records(document, group):
            case = row["case"]
            what = case.get("part", case.get("way", f"m = {case.get('m')}"))
            milliseconds = f"{1e3 * row['medians']['own']:.3g}"
            lines.append([group, f"{case['n']:.3g}", f"`{what}`", milliseconds, _inverse(row["ratios"][READ])])
    return _markdown(head, lines)


def training(document: dict[str, Any]) -> str:
    """A step's time over one forward and backward pass, its callables' passes included; Adam's likewise."""
    rows = records(document, "training")
    sizes = list(dict.fromkeys(row["case"]["size"] for row in rows))
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        case, medians = row["case"], row["medians"]
        for name in (*(n for n in medians if n not in ("own", TRAINING)), "own"):
            label = case["recipe"] if name == "own" else name
            share = medians[name] / case["steps"] / medians[TRAINING]
            cells.setdefault(label, {})[case["size"]] = f"{share:.3g}"
    head = ["step / (forward + backward)", *(f"{size} parameters" for size in sizes)]
    return _markdown(head, [[name, *(cells[name].get(size, "–") for size in sizes)] for name in cells])


def absences(document: dict[str, Any]) -> str:
    """Who was not there and why, a line each."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for benchmark in document["benchmarks"]:
        for peer, reason in benchmark["extra_info"].get("absent", {}).items():
            reasons.setdefault((peer, reason), []).append(benchmark["name"])
    if not reasons:
        return "Every peer took part everywhere."
    return "\n".join(
        f"- {peer}: {reason} ({f'{len(names)} benchmarks' if len(names) > 3 else ', '.join(names)})"
        for (peer, reason), names in reasons.items()
    )


def _labels(rows: Iterable[Record], leave_out: Sequence[str] = ()) -> list[str]:
    """All competitors, in the order in which they first appear."""
    return [x for x in dict.fromkeys(name for row in rows for name in row["ratios"]) if x not in leave_out]


def _ratio(ratio: dict[str, float] | None) -> str:
    return "–" if ratio is None else f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _inverse(ratio: dict[str, float] | None) -> str:
    """Ours over theirs."""
    return "–" if ratio is None else f"{1 / ratio['value']:.3g}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0e}"


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return "(not measured)"
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
