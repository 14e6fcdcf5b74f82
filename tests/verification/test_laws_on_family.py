"""The family's parts obey the laws that apply to them, but for what is said here."""

from __future__ import annotations

import pytest

from verification import LAWS
from verification.properties import declared
from verification.running import run
from verification.shipped import FAMILY

CASES = [
    pytest.param(law, factory, id=f"{law.name}-{factory()!r}")
    for law in LAWS
    for factory in FAMILY.get(law.subject, [])
    if law.needs <= declared(factory()) and not law.unless & declared(factory())
]


@pytest.mark.parametrize(("law", "factory"), CASES)
def test_part(law, factory):
    run(law, factory)
