"""Three clocks for a run: steps, work in mini-batch gradients, seconds; and when it reached a loss on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, median
from typing import Any, Literal

from adaqn_lab import Need
from studies.training.costs import LOSS_COST, PRODUCT_COST, PRODUCTS
from studies.training.outcome import Outcome, Point

Clock = Literal["steps", "work", "seconds"]
CLOCKS: dict[Clock, str] = {
    "steps": "steps",
    "work": "work, in gradients of a mini-batch",
    "seconds": "seconds of training, one thread",
}
OWN_GRADIENTS = "gradient of the step"
CURVATURE_BATCHES = 2
"""Mini-batches in a curvature batch."""


def work(outcome: Outcome, windows: Mapping[str, Any]) -> float:
    """Return the run's work in gradients of a mini-batch: its steps and all other evaluations at their cost.

    A loss without gradient counts half, a product with the Hessian or Gauss-Newton matrix twice, each times the size
    of its batch in mini-batches; ``windows`` are the task's. What the optimizer does with vectors is not in it.
    """
    cost = {
        Need.MONITOR_LOSS: LOSS_COST * float(windows.get("monitor_batches", 1)),
        Need.CURVATURE_GRADIENT: float(CURVATURE_BATCHES),
        **dict.fromkeys(PRODUCTS, PRODUCT_COST * CURVATURE_BATCHES),
    }
    return float(outcome.steps + sum(cost.get(Need(kind), 1.0) * n for kind, n in outcome.calls.items()))


def mean_calls(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the mean evaluations of a run by kind, the gradients of the steps among them."""
    kinds = dict.fromkeys(kind for outcome in outcomes for kind in outcome.calls)
    means = {kind: fmean(outcome.calls.get(kind, 0) for outcome in outcomes) for kind in kinds}
    return {OWN_GRADIENTS: fmean(outcome.steps for outcome in outcomes), **means} if outcomes else {}


def reading(outcome: Outcome, point: Point, clock: Clock, windows: Mapping[str, Any]) -> float:
    """Return the clock at a point of the run's curve; evaluations beside the steps come at even intervals."""
    if clock == "work":
        return point.steps * work(outcome, windows) / max(outcome.steps, 1)
    return float(getattr(point, clock))


def reached(outcome: Outcome, loss: float, clock: Clock, windows: Mapping[str, Any]) -> float:
    """Return the clock when the run's validation loss first was at most ``loss``, infinite if it never was.

    Between two points of the curve the loss is taken to fall evenly.
    """
    before: tuple[float, float] | None = None
    for point in outcome.curve:
        now = reading(outcome, point, clock, windows), point.loss
        if point.loss <= loss:
            if before is None:
                return now[0]
            share = (before[1] - loss) / (before[1] - point.loss)
            return before[0] + share * (now[0] - before[0])
        before = now
    return inf


@dataclass(frozen=True, kw_only=True)
class Race:
    """What each variant needs to reach ``loss``, the final one of ``setter``, on one clock.

    ``costs``: variant -> seed -> reading of the clock, infinite where the run never came there.
    """

    setter: str
    loss: float
    clock: Clock
    costs: Mapping[str, Mapping[int, float]]

    def median(self, variant: str) -> float:
        """Return the median over the seeds, infinite when half of the runs never came there or there are none."""
        return median(self.costs[variant].values()) if self.costs[variant] else inf

    def successes(self, variant: str) -> int:
        """Return how many runs came there."""
        return sum(cost < inf for cost in self.costs[variant].values())

    def profile(self, variant: str) -> list[tuple[float, float]]:
        """Return the performance profile (Dolan & More 2002): (tau, share of seeds) at each tau where it rises.

        The share of the seeds on which the variant needed at most tau times what the fastest variant needed there.
        Seeds on which none came there count as lost by all.
        """
        seeds = {seed for costs in self.costs.values() for seed in costs}
        ratios = []
        for seed in seeds:
            best = min(costs.get(seed, inf) for costs in self.costs.values())
            own = self.costs[variant].get(seed, inf)
            if own < inf:
                ratios.append(own / best if best > 0 else 1.0)
        return [(ratio, (place + 1) / len(seeds)) for place, ratio in enumerate(sorted(ratios))]
