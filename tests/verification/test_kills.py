"""Every law can fail: it kills the wrong operators, parts and methods that it names."""

from __future__ import annotations

import pytest

from verification import LAWS
from verification.catalogue import MUTANTS
from verification.mutants.matrix import EXAMPLES, fails, subject_for

CASES = [pytest.param(law, name, id=f"{law.name}-{name}") for law in LAWS for name in law.kills]


@pytest.mark.parametrize(("law", "name"), CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kill(law, name):
    """By an AssertionError, or because the wrong part breaks down."""
    assert fails(law, subject_for(law.subject, name), EXAMPLES)


def test_every_law_kills_two_and_everything_is_killed():
    assert [law.name for law in LAWS if len(set(law.kills)) < 2] == []
    named = {(law.subject, name) for law in LAWS for name in law.kills}
    assert named == {(subject, name) for subject, names in MUTANTS.items() for name in names}
