"""How long to search: named profiles, the same for ``pytest --hypothesis-profile`` and ``python -m verification``.

The number of a profile is that of the cases of a law; see :func:`fitted` for the laws which get fewer.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from verification.law import Law, Subject

FAST = settings(
    max_examples=7,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # slow; both numbers explain more
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
"""All tests of the laws in a minute on two cores, the same cases at every call: what pytest does."""
DEFAULT = settings(FAST, max_examples=32)
"""The same with more cases: what ``verify`` and the command do."""
FRESH = settings(FAST, max_examples=200, derandomize=False, print_blob=True)
"""An hour or so on two cores, with new cases at every call: that no right part fails, before a release."""
THOROUGH = settings(FAST, max_examples=5000, derandomize=False, print_blob=True)
"""Hours, with new cases at every call: for a nightly job."""
MUTATION = settings(FAST, max_examples=20, phases=[Phase.explicit, Phase.generate])
"""For a mutation tester: nothing is shrunk."""

PROFILES = {"fast": FAST, "default": DEFAULT, "fresh": FRESH, "thorough": THOROUGH, "mutation": MUTATION}
"""Name -> profile."""
SHARES = {Subject.OPERATOR: 0.5, Subject.RECIPE: 0.4, Subject.DRIVE: 0.5}
"""The share of a profile's cases for laws whose cases cost more than others; 1 otherwise. A law has its own too."""


def register() -> None:
    """Make the profiles known to Hypothesis, in place of its own "default"; FAST becomes the current one."""
    for name, profile in PROFILES.items():
        settings.register_profile(name, profile)
    settings.load_profile("fast")


def current() -> settings:
    """The profile which ``pytest --hypothesis-profile`` chose; DEFAULT where it chose none of these."""
    return PROFILES.get(settings.get_current_profile_name(), DEFAULT)


def fitted(law: Law, options: settings) -> settings:
    """``options`` with as many cases as this law gets: two at least, for the first is always the smallest one."""
    share = SHARES.get(law.subject, 1.0) * law.share
    return settings(options, max_examples=min(options.max_examples, max(2, round(share * options.max_examples))))
