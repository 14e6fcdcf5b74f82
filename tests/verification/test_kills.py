"""Every law can fail: it kills the wrong operators, parts and methods that it names."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

from verification import LAWS, Subject
from verification.catalogue import MUTANTS
from verification.running import run

OPTIONS = settings(max_examples=100, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
CASES = [pytest.param(law, name, id=f"{law.name}-{name}") for law in LAWS for name in law.kills]


@pytest.mark.parametrize(("law", "name"), CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kill(law, name):
    factory = MUTANTS[law.subject][name]
    whole = law.subject in (Subject.OPERATOR, Subject.RECIPE, Subject.DRIVE)  # their laws take the thing itself
    with pytest.raises(AssertionError):
        run(law, factory() if whole else factory, OPTIONS)


def test_every_law_kills_something_and_everything_is_killed():
    assert [law.name for law in LAWS if not law.kills] == []
    named = {(law.subject, name) for law in LAWS for name in law.kills}
    assert named == {(subject, name) for subject, names in MUTANTS.items() for name in names}
