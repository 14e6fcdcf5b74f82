"""Hypothesis profiles: dev by default, ci where CI is set, ``--hypothesis-profile=nightly`` for hours."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("dev", deadline=None, max_examples=100)
settings.register_profile("ci", settings.get_profile("ci"), deadline=None, max_examples=100)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=5000,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(  # under a mutation tester: equal verdicts at every run, and nothing is shrunk
    "mutation", deadline=None, max_examples=20, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
if settings.get_current_profile_name() != "ci":  # Hypothesis loads "ci" itself where CI is set
    settings.load_profile("dev")
