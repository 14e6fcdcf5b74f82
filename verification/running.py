"""Running one law on one subject."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hypothesis import given, reject, settings, target

from verification.law import Law, Subject
from verification.operator.dense import numerically_singular
from verification.parts import RefusedPairError
from verification.profiles import fitted
from verification.strategies import OperatorCase

PATIENCE = 5.0
"""Seconds for which a counter-example is made smaller."""


class _Shrinking:
    """Ends the search for a smaller counter-example: after ``PATIENCE`` only cases known to fail are checked again.

    Hypothesis takes the others for smaller cases that hold, and gives up. It would go on for minutes.
    """

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.since = float("inf")

    def failed(self, case: Any) -> None:
        """Remember it."""
        self.since = min(self.since, time.monotonic())
        self.failing.add(repr(case))

    def is_over(self, case: Any) -> bool:
        """Whether there is no time left for this case."""
        return time.monotonic() - self.since > PATIENCE and repr(case) not in self.failing


def search(law: Law, subject: Any, *, capacity: int | None = None) -> Callable[[Callable[[Any], None]], Any]:
    """A Hypothesis test of the law; call it with a function that is told every case before it is checked.

    An operator which has ``forms``, as a memory's has, is checked in each of them.
    """
    inputs = law.inputs
    if law.subject is Subject.OPERATOR and capacity is not None:
        inputs = inputs.map(lambda case: case.last(capacity))

    def make(tell: Callable[[Any], None]) -> Any:
        shrinking = _Shrinking()

        @given(case=inputs)
        def check(case: Any) -> None:
            if shrinking.is_over(case):
                return
            tell(case)
            if isinstance(case, OperatorCase):
                target(case.ill_conditioning, label="log10 of the product of 1 / c")
            try:
                for form in getattr(subject, "forms", (subject,)):
                    law.check(form, case)
            except RefusedPairError:
                reject()  # by the memory's own test; nobody can build a case for a test he does not know
            except Exception:
                if isinstance(case, OperatorCase) and numerically_singular(case):
                    reject()
                shrinking.failed(case)
                raise

        check.__name__ = check.__qualname__ = law.name.replace("-", "_")
        return check

    return make


def run(law: Law, subject: Any, options: settings | None = None, *, capacity: int | None = None) -> None:
    """Search for a counter-example; raise the shrunk one's AssertionError, its notes holding the case.

    ``options``: Hypothesis settings, by default those of the loaded profile, fewer cases for a costly law.
    ``capacity``: for a law about an operator that holds no more pairs than that.
    """
    check = search(law, subject, capacity=capacity)(lambda case: None)
    (options or fitted(law, settings()))(check)()
