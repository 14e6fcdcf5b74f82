"""Which learning rates to try next: every variant's grid grows by the same number of rates, where its best lies."""

from collections.abc import Sequence
from math import sqrt

from studies.variants.variant import GRID_STEP

RATES_A_ROUND = 2
"""Learning rates that a round adds, for every variant alike."""


def next_rates(tried: Sequence[float], best: float | None) -> tuple[float, float]:
    """Return the two rates of the next round, from those tried and the best of them.

    Inside the grid: between the best and its neighbours. On an edge, or with everything diverged (``None``):
    one and two grid steps further out.

    >>> next_rates((0.01, 0.1, 1.0), 0.1)
    (0.0316, 0.316)
    >>> next_rates((0.01, 0.1, 1.0), 1.0)
    (3.16, 10.0)
    """
    rates = sorted(tried)
    step = 10.0**GRID_STEP
    if best is None or (best == rates[0] and len(rates) > 1):
        found = (rates[0] / step**2, rates[0] / step)
    elif len(rates) == 1:
        found = (best / step, best * step)
    elif best == rates[-1]:
        found = (best * step, best * step**2)
    else:
        place = rates.index(best)
        found = (sqrt(rates[place - 1] * best), sqrt(best * rates[place + 1]))
    return _three_digits(found[0]), _three_digits(found[1])


def _three_digits(rate: float) -> float:
    return float(f"{rate:.3g}")
