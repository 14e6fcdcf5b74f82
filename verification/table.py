"""A report as text."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import shorten

from verification.conformance import Outcome, Report, Result
from verification.law import Law

ORDER = (Outcome.PASSED, Outcome.FAILED, Outcome.UNEXPECTED_PASS, Outcome.EXPECTED, Outcome.NOT_APPLICABLE)


def _row(result: Result, width: int) -> list[str]:
    """A law's lines: its outcome and statement, then what went wrong."""
    law, outcome = result.law, result.outcome
    head = f"  {law.name:<{width}}  {outcome.value:<16}"
    if outcome is Outcome.PASSED:
        return [f"{head}  {result.cases:>4} cases   {law.statement}"]
    if outcome is Outcome.NOT_APPLICABLE:
        return [f"{head}  {result.message}"]
    lines = [f"{head}  {law.statement}", f"      {result.message}"]
    if outcome is not Outcome.EXPECTED and result.case is not None:
        lines += [f"      counter-example  {result.case!r}", f"      replay           {result.replay}"]
    if outcome is not Outcome.EXPECTED:
        tolerance = law.bound
        lines.append(f"      tolerance        {law.tolerance}: {tolerance.formula}")
        lines.append(f"      source           {law.source}")
    return lines


def text(report: Report) -> str:
    """The table: law by law, then the counts."""
    width = max(len(result.law.name) for result in report.results)
    lines = [f"{report.candidate.name}: {report.candidate.role.value}"]
    declares = sorted(p.value for p in report.candidate.declares)
    lines.append(f"  declares: {', '.join(declares) or 'nothing'}")
    for result in report.results:
        lines += _row(result, width)
    counts = [f"{report.count(o)} {o.value.lower()}" for o in ORDER if report.count(o)]
    cases = sum(result.cases for result in report.results)
    lines.append(f"{len(report.results)} laws: {', '.join(counts)}; {cases} cases")
    return "\n".join(lines)


def laws(all_laws: Iterable[Law]) -> str:
    """The list of laws: number, name, subject, group and statement."""
    rows = [(str(x.number), x.name, x.subject.value, x.group.value, shorten(x.statement, 100)) for x in all_laws]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[4]]).rstrip() for r in rows)
