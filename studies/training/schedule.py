"""How long a run is, how its learning rate changes, when it is measured, and when it has diverged."""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal

from studies.errors import InputError, require_at_least

Decay = Literal["linear", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a run goes: ``steps``, ``points`` on its validation curve, gradient norm clipped at ``clip``.

    A run has diverged, and stops, when its validation loss is not finite or above ``divergence`` times the untrained
    model's; so has one whose test loss at the end is not finite.

    ``decay``: how its learning rate goes to zero over the run, ``None`` for a constant one; ``warm_up``: steps in
    which it rises first. ``ema``: the decay of an average of the weights that is evaluated beside
    them (`studies.training.ema`), ``None`` for none.
    """

    steps: int
    points: int = 20
    clip: float = 5.0
    divergence: float = 2.0
    decay: Decay | None = None
    warm_up: int = 0
    ema: float | None = None

    def __post_init__(self) -> None:
        require_at_least(1, steps=self.steps, points=self.points)
        if not 0 <= self.warm_up < self.steps:
            raise InputError(
                f"a warm-up of {self.warm_up} steps does not fit in {self.steps}: give 0 or more, below the steps."
            )
        if self.ema is not None and not 0.0 <= self.ema < 1.0:
            raise InputError(f"an average of the weights with decay {self.ema} is none: give 0 or more, below 1.")

    @property
    def marks(self) -> frozenset[int]:
        """Steps after which the validation loss is measured; the last step is one of them."""
        return frozenset(-(-self.steps * k // self.points) for k in range(1, self.points + 1))

    @property
    def constant(self) -> bool:
        """Whether the learning rate stays what it is."""
        return self.decay is None and self.warm_up == 0

    def factor(self, step: int) -> float:
        """Return what multiplies the learning rate at ``step`` = 1, ..., T.

        k / W in the warm-up of W steps, then with x = (k - 1 - W) / (T - W), which is 0 after it and would be 1 after
        the last step: 1, 1 - x (linear) or (1 + cos(pi x)) / 2 (cosine).

        >>> schedule = Schedule(steps=6, decay="linear", warm_up=2)
        >>> [schedule.factor(step) for step in range(1, 7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
        """
        if step <= self.warm_up:
            return step / self.warm_up
        x = (step - 1 - self.warm_up) / (self.steps - self.warm_up)
        if self.decay == "linear":
            return 1.0 - x
        return 0.5 * (1.0 + cos(pi * x)) if self.decay == "cosine" else 1.0
