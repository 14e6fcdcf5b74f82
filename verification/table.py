"""A report as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import shorten

from verification.conformance import Outcome, Report, Result
from verification.law import Law, Property, Subject
from verification.tolerances import TOLERANCES

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
    declares = sorted(p.word for p in report.candidate.declares)
    lines.append(f"  declares: {', '.join(declares) or 'nothing'}")
    for result in report.results:
        if not (
            result.outcome is Outcome.NOT_APPLICABLE and report.candidate.needs_of(result.law) & set(report.untried)
        ):
            lines += _row(result, width)
    return "\n".join([*lines, *_undeclared(report), f"{counts([report])}{_not_tried(report)}"])


def _undeclared(report: Report) -> list[str]:
    """For a part which declares nothing: what it could, and how many laws would hold it to that."""
    if not report.contract_only:
        return []
    lines = [
        "  it declares nothing of what it computes; declare what is true of it (declares = {...}, --declare WORD):"
    ]
    for prop, laws_ in report.untried.items():
        lines.append(f"      {prop.word!r}: {prop.meaning} [{laws_} law{'s' if laws_ > 1 else ''}]")
    return lines


def _not_tried(report: Report) -> str:
    """The end of the last line."""
    words = report.untried
    if not words:
        return ""
    named = ", ".join(repr(prop.word) for prop in words)
    count = sum(bool(report.candidate.needs_of(result.law) & set(words)) for result in report.results)
    only = "contract only: " if report and report.contract_only else ""
    return f"; {only}{count} laws not tried, because it does not declare: {named}"


def counts(reports: Sequence[Report]) -> str:
    """How many laws, what they came to, and how many cases ran."""
    found = {outcome: sum(report.count(outcome) for report in reports) for outcome in ORDER}
    results = [result for report in reports for result in report.results]
    outcomes = ", ".join(f"{count} {outcome.value.lower()}" for outcome, count in found.items() if count)
    return f"{len(results)} laws: {outcomes}; {sum(result.cases for result in results)} cases"


def line(report: Report) -> str:
    """A report in one line; the whole table where something failed."""
    name = f"{report.candidate.role.value} {shorten(report.candidate.name, 60, placeholder=' ...')}"
    return f"{name:<76} {counts([report])}" if report else str(report)


def _entry(law: Law) -> str:
    """A law in full."""
    needs = ", ".join(sorted(p.word for p in law.needs))
    lines = [
        f"  {law.name}  [{law.group.value}]",
        f"      {law.statement}",
        f"      applies to   every {law.subject.value}" + (f" which declares: {needs}" if needs else ""),
        f"      tolerance    {law.tolerance}: {law.bound.formula}",
        f"      source       {law.source}",
        f"      kills        {', '.join(law.kills)}",
    ]
    return "\n".join(line.rstrip() for line in lines)


def laws(all_laws: Iterable[Law]) -> str:
    """The list of laws by subject, each with all that is said of it; then the tolerances that they name."""
    known = list(all_laws)
    parts = ["Laws, by what they are about: name, [group], statement."]
    for subject in Subject:
        own = [law for law in known if law.subject is subject]
        parts += [f"\n{subject.value}: {len(own)} laws", *map(_entry, own)] if own else []
    parts.append("\ntolerances: m pairs of n elements, c_min their smallest cosine, u the unit roundoff")
    for name, tolerance in TOLERANCES.items():
        parts += [f"  {name}: {tolerance.formula}", f"      {tolerance.derivation}"]
    return "\n".join(parts)


def properties(known: Iterable[Property]) -> str:
    """What a part may declare, as a Markdown table in the order of the words."""
    lines = ["| word | what it says | fields that it reads |", "|---|---|---|"]
    for found in sorted(known, key=lambda x: x.word):
        fields = ", ".join(f"`{name}`" for name in found.fields)
        lines.append(f"| `{found.word}` | {found.meaning.replace('|', chr(92) + '|')} | {fields} |")
    return "\n".join(lines)
