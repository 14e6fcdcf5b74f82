"""Every shipped part obeys every law that applies to it."""

from __future__ import annotations

import pytest

from verification import LAWS
from verification.catalogue import SPECIMENS
from verification.roles import candidate
from verification.running import run
from verification.shipped import PARTS

SUBJECTS = {role: [candidate(factory) for factory in factories] for role, factories in PARTS.items()}
CASES = [
    pytest.param(law, subject.target, id=f"{law.name}-{subject.name}")
    for law in LAWS
    for subject in SUBJECTS.get(law.subject, ())
    if subject.why_not(law) is None
]


@pytest.mark.parametrize(("law", "factory"), CASES)
def test_part(law, factory):
    run(law, factory)


def test_names_are_unique():
    names = [law.name for law in LAWS]
    assert sorted(set(names)) == sorted(names)


def test_every_shipped_part_has_its_file():
    assert all(type(factory()) is specimen.kind for specimen in SPECIMENS for factory in specimen.variations)
    assert len({specimen.kind for specimen in SPECIMENS}) == len(SPECIMENS)
