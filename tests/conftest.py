"""Hypothesis profiles: fast by default, ``--hypothesis-profile=thorough`` for hours; see verification/profiles.py."""

from __future__ import annotations

from verification import profiles

profiles.register()
