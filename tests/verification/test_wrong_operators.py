"""Every law about operators can fail: it kills the wrong operators that it names."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

from verification import LAWS, Subject
from verification.mutants.operators import OPERATORS
from verification.running import run

OPTIONS = settings(max_examples=100, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
CASES = [(law, name) for law in LAWS if law.subject is Subject.OPERATOR for name in law.kills]


@pytest.mark.parametrize(("law", "name"), CASES, ids=lambda x: x if isinstance(x, str) else x.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kill(law, name):
    with pytest.raises(AssertionError):
        run(law, OPERATORS[name](), OPTIONS)


def test_every_wrong_operator_is_named_by_a_law():
    assert {name for _, name in CASES} == set(OPERATORS)
