"""Every shipped part obeys every law that applies to it."""

from __future__ import annotations

import pytest

from verification import LAWS
from verification.catalogue import SPECIMENS
from verification.properties import declared
from verification.running import run
from verification.shipped import PARTS

CASES = [
    pytest.param(law, factory, id=f"{law.name}-{factory()!r}")
    for law in LAWS
    for factory in PARTS.get(law.subject, ())
    if law.needs <= declared(factory()) and not law.unless & declared(factory())
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
