"""``python -m verification.mutants``: every law on every wrong part.

Exit status: 0 if every mutant dies by a law meant for it, every law kills one, and no law fails on an honest
part; 1 otherwise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap

import torch

from verification.conformance import Report, verify
from verification.law import Subject
from verification.laws import LAWS
from verification.mutants.matrix import Entry, Mark, column, columns, complaints
from verification.shipped import everything


def _judge(subject: Subject, sin: str) -> list[Entry]:
    torch.set_num_threads(1)
    return column(subject, sin)


def _print_matrix(subject: Subject, entries: Sequence[Entry]) -> None:
    """One role: a row for each law, a numbered column for each mutant."""
    sins = list(dict.fromkeys(e.sin for e in entries))
    marks = {(e.law, e.sin): e.mark for e in entries}
    laws = [law for law in LAWS if any((law.name, sin) in marks for sin in sins)]
    width = max(len(law.name) for law in laws)
    print(f"\n{subject.value}: {len(laws)} laws x {len(sins)} mutants")
    print(" " * width, " ".join(f"{i:>2}" for i in range(1, len(sins) + 1)))
    for law in laws:
        row = (marks.get((law.name, sin), Mark.SILENT).value for sin in sins)
        print(f"{law.name:<{width}}", " ".join(f"{mark:>2}" for mark in row))
    for index, sin in enumerate(sins, start=1):
        killers = [e.law for e in entries if e.sin == sin and e.mark is Mark.MEANT]
        print(f"  {index:>2} {sin}: dies by {', '.join(killers) or 'no law meant for it'}")


def honest() -> list[Report]:
    """The reports of the shipped parts and recipes which break a law."""
    return [report for target in everything() if not (report := verify(target))]


def main() -> int:
    """Print the matrix; return the exit status."""
    torch.set_num_threads(1)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        judged = list(pool.map(_judge, *zip(*columns(), strict=True)))
    entries = [entry for found in judged for entry in found]
    for subject in Subject:
        _print_matrix(subject, [e for e in entries if e.subject is subject])
    print(f"\n{'  '.join(starmap('{} {}'.format, _LEGEND))}")
    found = complaints(entries)
    found += [
        f"{report.candidate.name} is honest and breaks {r.law.name}" for report in honest() for r in report.failures
    ]
    killed = sum(any(e.mark is Mark.MEANT for e in mutant) for mutant in judged)
    print(f"{killed} of {len(judged)} mutants die by a law meant for them; {len(LAWS)} laws; {len(found)} complaints")
    for complaint in found:
        print(f"  {complaint}")
    return 1 if found else 0


_LEGEND = [
    ("X", "killed, as meant"),
    ("x", "killed as well"),
    ("!", "meant and missed"),
    (".", "the law holds"),
]

if __name__ == "__main__":
    sys.exit(main())
