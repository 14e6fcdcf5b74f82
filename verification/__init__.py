"""The laws of stochastic quasi-Newton methods, as checks which anyone runs on their own parts.

>>> from adaqn_lab import AdaGrad
>>> report = verify(AdaGrad, examples=5)
>>> bool(report)
True
"""

from typing import Any

try:
    from verification.catalogue import LAWS
    from verification.conformance import (
        Outcome,
        Report,
        Result,
        by_name,
        check_guard,
        check_memory,
        check_operator,
        check_pair_generator,
        check_recipe,
        check_scaling,
        check_stepper,
        parametrize,
        verify,
    )
    from verification.curvature import Audit, PairsReport, audit, check_pairs
    from verification.law import Group, Law, Property, Subject, law
    from verification.picture import plot_secant_error
    from verification.roles import BadSubjectError
except ModuleNotFoundError as error:
    from adaqn_lab.extras import missing

    if not (_told := missing(error, "verification")):
        raise
    _name = error.name

    # So that the command line can be imported, and says what to install; whoever asks for a name is told the same.
    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModuleNotFoundError(_told, name=_name)


__all__ = [
    "LAWS",
    "Audit",
    "BadSubjectError",
    "Group",
    "Law",
    "Outcome",
    "PairsReport",
    "Property",
    "Report",
    "Result",
    "Subject",
    "audit",
    "by_name",
    "check_guard",
    "check_memory",
    "check_operator",
    "check_pair_generator",
    "check_pairs",
    "check_recipe",
    "check_scaling",
    "check_stepper",
    "law",
    "parametrize",
    "plot_secant_error",
    "verify",
]
