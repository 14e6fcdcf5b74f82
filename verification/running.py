"""Running one law on one subject."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from verification.law import Law, Subject


def run(law: Law, subject: Any, options: settings | None = None, *, capacity: int | None = None) -> None:
    """Search for a counter-example; raise the shrunk one's AssertionError, its notes holding the case.

    ``options``: Hypothesis settings, by default those of the loaded profile. ``capacity``: for a law about an
    operator that holds no more pairs than that.
    """
    inputs = law.inputs
    if law.subject is Subject.OPERATOR and capacity is not None:
        inputs = inputs.map(lambda case: case.last(capacity))

    @given(case=inputs)
    def check(case: Any) -> None:
        law.check(subject, case)

    check.__name__ = check.__qualname__ = law.name.replace("-", "_")
    (options or settings())(check)()
