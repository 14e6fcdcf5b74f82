"""A figure's scale: chosen from what matters, so that one variant far away does not press the others together."""

from collections.abc import Collection, Mapping
from statistics import median, median_low

FAR = 3.0
"""So many times the usual distance is too far to be shown in full."""


def near(distances: Mapping[str, float], noise: Collection[float]) -> set[str]:
    """Return the names whose distance from the best is at most three times the usual one, or than seeds differ.

    The usual distance is the lower median of those that are not 0; ``noise`` are the ranges over the seeds.
    """
    apart = [distance for distance in distances.values() if distance > 0]
    usual = max(median_low(apart) if apart else 0.0, median(noise) if noise else 0.0)
    return {name for name, distance in distances.items() if distance <= FAR * usual}


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """Return limits a little beyond both ends; some room around a single value."""
    room = share * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room
