"""``python -m verification.mutants``: every law on every wrong part.

Exit status: 0 if every mutant dies by a law meant for it, every law kills two, and no law fails on an honest
part; 1 otherwise.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap

import torch

from verification.catalogue import LAWS
from verification.conformance import verify
from verification.law import Subject
from verification.mutants.matrix import Entry, Mark, column, columns, complaints
from verification.profiles import FAST
from verification.shipped import everything
from verification.terminal import prepare

Honest = tuple[int, int, list[str]]
"""How many laws and cases an honest part went through, and what it breaks."""


def _judge(subject: Subject, name: str) -> list[Entry]:
    return column(subject, name)


def _honest(index: int) -> Honest:
    report = verify(everything()[index], profile=FAST)
    broken = [f"{report.candidate.name} is honest and breaks {result.law.name}" for result in report.failures]
    ran = [result.cases for result in report.results if result.cases]
    return len(ran), sum(ran), broken


def _print_matrix(subject: Subject, entries: Sequence[Entry]) -> None:
    """One role: a row for each law, a numbered column for each mutant."""
    names = list(dict.fromkeys(e.name for e in entries))
    marks = {(e.law, e.name): e.mark for e in entries}
    laws = [law for law in LAWS if any((law.name, name) in marks for name in names)]
    width = max(len(law.name) for law in laws)
    print(f"\n{subject.value}: {len(laws)} laws x {len(names)} mutants")
    print(" " * width, " ".join(f"{i:>2}" for i in range(1, len(names) + 1)))
    for law in laws:
        row = (marks.get((law.name, name), Mark.SILENT).value for name in names)
        print(f"{law.name:<{width}}", " ".join(f"{mark:>2}" for mark in row).rstrip())
    for index, name in enumerate(names, start=1):
        killers = [e.law for e in entries if e.name == name and e.mark is Mark.MEANT]
        print(f"  {index:>2} {name}: dies by {', '.join(killers) or 'no law meant for it'}")


def _print_summary(entries: Sequence[Entry], honest: Sequence[Honest], seconds: float) -> None:
    """The counts by role, and those of the honest parts."""
    print(f"\n{'  '.join(starmap('{} {}'.format, _LEGEND))}\n")
    print(f"{'about':<20} {'laws':>5} {'mutants':>8} {'dead as meant':>14} {'killed as well':>15} {'held':>6}")
    for subject in Subject:
        own = [e for e in entries if e.subject is subject]
        named = [law for law in LAWS if law.subject is subject]
        dead = {e.name for e in own if e.mark is Mark.MEANT}
        also, holds = (sum(e.mark is mark for e in own) for mark in (Mark.ALSO, Mark.HOLDS))
        counts = f"{len({e.name for e in own}):>8} {len(dead):>14} {also:>15} {holds:>6}"
        print(f"{subject.value:<20} {len(named):>5} {counts}")
    laws, cases = (sum(found[i] for found in honest) for i in (0, 1))  # type: ignore[misc]
    print(f"\n{len(honest)} honest parts and recipes: {laws} laws checked on {cases} cases")
    print(f"{seconds:.0f} s in {os.cpu_count()} processes")


def main() -> int:
    """Print the matrix; return the exit status."""
    prepare()
    start = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        judging = pool.map(_judge, *zip(*columns(), strict=True))
        checking = pool.map(_honest, range(len(everything())))
        judged, honest = list(judging), list(checking)
    entries = [entry for found in judged for entry in found]
    for subject in Subject:
        _print_matrix(subject, [e for e in entries if e.subject is subject])
    _print_summary(entries, honest, time.monotonic() - start)
    found = complaints(entries) + [text for _, _, broken in honest for text in broken]
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
