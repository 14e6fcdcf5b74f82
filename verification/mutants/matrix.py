"""The matrix law x mutant: which law fails on which wrong part."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from verification.catalogue import LAWS, MUTANTS
from verification.law import Law, Subject
from verification.parts import TooLargeError
from verification.roles import Candidate, candidate
from verification.running import run

EXAMPLES = 200
"""Cases for a law that names the mutant."""
GLANCES = 10
"""Cases for a law that does not: what else it kills is good to know, no more."""


class Mark(enum.Enum):
    """What a law does to a mutant; the value is its sign in the matrix."""

    MEANT = "X"
    """The law names the mutant and fails on it."""
    ALSO = "x"
    """The law fails on it without naming it."""
    MISSED = "!"
    """The law names the mutant and holds for it."""
    HOLDS = "."
    """The law holds for it."""
    SILENT = " "
    """The law does not apply."""

    @property
    def killed(self) -> bool:
        """Whether the law fails."""
        return self in (Mark.MEANT, Mark.ALSO)


@dataclass(frozen=True)
class Entry:
    """One cell of the matrix: the law's name, the mutant, and what came of it."""

    law: str
    subject: Subject
    name: str
    mark: Mark


def subject_for(subject: Subject, name: str) -> Candidate:
    """The mutant, ready to be checked."""
    factory = MUTANTS[subject][name]
    target: Any = factory() if subject in (Subject.OPERATOR, Subject.RECIPE, Subject.DRIVE) else factory
    return candidate(target, name=name)


def fails(law: Law, mutant: Candidate, examples: int) -> bool:
    """Whether the law fails on the mutant, by assertion or because the mutant breaks down."""
    options = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # a counter-example is enough, it need not be small
        suppress_health_check=list(HealthCheck),
    )
    try:
        run(law, mutant.subject_of(law), options, capacity=mutant.capacity)
    except (Unsatisfiable, FailedHealthCheck, TooLargeError):
        return False
    except Exception:
        return True
    return False


def entry(law: Law, subject: Subject, name: str) -> Entry:
    """One cell."""
    mutant = subject_for(subject, name)
    named = name in law.kills and law.subject is subject
    if mutant.why_not(law) is not None:
        return Entry(law.name, subject, name, Mark.SILENT)
    if fails(law, mutant, EXAMPLES if named else GLANCES):
        return Entry(law.name, subject, name, Mark.MEANT if named else Mark.ALSO)
    return Entry(law.name, subject, name, Mark.MISSED if named else Mark.HOLDS)


def columns() -> Iterator[tuple[Subject, str]]:
    """Every mutant."""
    for subject, names in MUTANTS.items():
        for name in names:
            yield subject, name


def column(subject: Subject, name: str) -> list[Entry]:
    """Every law about the mutant's role on it."""
    return [entry(law, subject, name) for law in LAWS if subject_for(subject, name).why_not(law) != ""]


def complaints(entries: Iterable[Entry]) -> list[str]:
    """What the matrix may not show: a survivor, a law with fewer than two kills, a promise that is not kept."""
    found = list(entries)
    meant = {(e.subject, e.name) for e in found if e.mark is Mark.MEANT}
    kills = Counter(e.law for e in found if e.mark.killed)
    return [
        *(f"{s.value} {name}: no law meant for it kills it" for s, name in columns() if (s, name) not in meant),
        *(f"law {law.name}: it kills fewer than two mutants" for law in LAWS if kills[law.name] < 2),
        *(f"law {e.law}: it names {e.name} and holds for it" for e in found if e.mark is Mark.MISSED),
        *unknown_names(),
    ]


def unknown_names() -> list[str]:
    """Names in the laws' ``kills`` which no mutant has."""
    return [
        f"law {law.name}: it names {name}, and there is no such {law.subject.value} among the mutants"
        for law in LAWS
        for name in law.kills
        if name not in MUTANTS[law.subject]
    ]
