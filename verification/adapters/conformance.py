"""The table library x law: other people's L-BFGS against the laws of the operator and of its steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from verification.adapters import LIBRARIES, Library
from verification.catalogue import LAWS
from verification.conformance import Outcome, results
from verification.law import Law, Subject
from verification.operator.sums import LongCase, error_and_bound
from verification.roles import candidate

LONG = LongCase(exponent=22, m=3, seed=0)
"""Four million parameters, three pairs."""
Cell = tuple[str, str]
"""What the table says, and the message if it is a failure."""
PASSES, FAILS, NONE = "✓", "✗", ("–", "")


def _fitted(law: Law, library: Library) -> st.SearchStrategy[Any]:
    """The law's cases, in the dtypes and with the H0 that the library can take."""

    def fit(case: Any) -> Any:
        if not hasattr(case, "dtype") or not hasattr(case, "spread"):
            return case
        dtype = case.dtype if case.dtype in library.dtypes else library.dtypes[0]
        return replace(case, dtype=dtype, spread=0 if library.scalar_h0 else case.spread)

    return law.inputs.map(fit)


def about(*subjects: Subject) -> list[Law]:
    """The laws about these."""
    return [law for law in LAWS if law.subject in subjects]


def _judge(library: Library, target: Any, laws: Sequence[Law], examples: int) -> dict[str, Cell]:
    """Law name -> cell."""
    asked = [law for law in laws if law.name not in library.cannot]
    if not asked:
        return {}
    inputs = {law.name: _fitted(law, library) for law in asked}
    found: dict[str, Cell] = {}
    for result in results(candidate(target), laws=asked, inputs=inputs, examples=examples):
        if result.outcome is Outcome.PASSED:
            found[result.law.name] = (PASSES, "")
        else:
            found[result.law.name] = (FAILS, f"{result.law.statement}: {result.message}")
    return found


def judge(library: Library, examples: int = 50, only: Collection[str] | None = None) -> dict[str, Cell]:
    """Law name -> cell, of operator and steps, or ``only`` of these. Raises ``ImportError`` if it is not installed."""
    found: dict[str, Cell] = {}
    for subject, target in ((Subject.OPERATOR, library.load()), (Subject.DRIVE, library.load_drive())):
        if target is not None:
            laws = [law for law in about(subject) if only is None or law.name in only]
            found |= _judge(library, target, laws, examples)
    return found


def accuracy(library: Library) -> str:
    """|H g - (H g in float64)| / |g| with four million parameters: measured."""
    direction = None if "long-sums" in library.cannot else library.load()
    return NONE[0] if direction is None else f"{error_and_bound(direction, LONG)[0]:.0e}"


def installed(libraries: Sequence[Library]) -> tuple[list[Library], list[str]]:
    """Those that can be loaded, and a line for each that cannot."""
    found, missing = [], []
    for library in libraries:
        try:
            library.load()
        except ImportError as error:
            missing.append(f"- {library.name} is not installed ({error.name or error}).")
        else:
            found.append(library)
    return found, missing


def matrix(*subjects: Subject) -> list[Law]:
    """The laws of the rows, those about steps first."""
    return about(*(subjects or (Subject.DRIVE, Subject.OPERATOR)))


def rows(libraries: Sequence[Library] = LIBRARIES, examples: int = 50) -> tuple[list[str], list[str]]:
    """The Markdown table, a row for each law and a column for each library; and what failed, with both numbers."""
    judged = {library.name: judge(library, examples) for library in libraries}
    lines = [f"| law | {' | '.join(judged)} |", f"|---|{'---|' * len(judged)}"]
    failures = []
    for law in matrix():
        cells = {name: cell.get(law.name, NONE) for name, cell in judged.items()}
        lines.append(f"| {law.name} | {' | '.join(text for text, _ in cells.values())} |")
        failures += [f"- {name}, {law.name}: {message}" for name, (_, message) in cells.items() if message]
    measured = " | ".join(accuracy(library) for library in libraries)
    lines.append(f"| error of H g, float32, n = 4 million | {measured} |")
    return lines, failures


def notes(libraries: Sequence[Library]) -> list[str]:
    """A line for each law that was not asked, with the libraries and the reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for library in libraries:
        for law, reason in library.cannot.items():
            reasons.setdefault((law, reason), []).append(library.name)
    return [f"- {law} was not asked of {', '.join(names)}: {reason}." for (law, reason), names in reasons.items()]


def table(libraries: Sequence[Library] = LIBRARIES, examples: int = 50) -> str:
    """The table, what failed, and what could not be run."""
    found, missing = installed(libraries)
    lines, failures = rows(found, examples)
    return "\n".join([*lines, "", *failures, *notes(found), *missing])
