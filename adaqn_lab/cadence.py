"""The slow clock: how long is a window, what is averaged, where does the first displacement start."""

from __future__ import annotations

from dataclasses import dataclass

from adaqn_lab.checks import require_bool, require_int


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """Every ``every`` = L steps a window closes: w_bar = (1/L) sum of its iterates, s = w_bar - w_ref.

    ``after_step``: average the iterates after their steps, w_{k+1}, instead of those at which the gradients
    were taken, w_k (sources disagree: the authors' code averages before, stochQN after).

    ``from_start``: the first reference is the initial point, so that the first pair comes at L; otherwise it
    is the first average, and the first pair comes at 2 L.

    ``always_advance``: w_ref = w_bar even if the pair was skipped (SQN); otherwise a skipped pair leaves the
    reference alone and the next displacement spans two windows (adaQN).

    Raises ``ValueError`` or ``TypeError`` for ``every`` < 1. Source: Keskar & Berahas 2016 as implemented by
    its authors; Byrd, Hansen, Nocedal & Singer 2016.
    """

    every: int = 20
    after_step: bool = False
    from_start: bool = False
    always_advance: bool = False

    def __post_init__(self) -> None:
        require_int("Cadence", "every", self.every, at_least=1)
        for name in ("after_step", "from_start", "always_advance"):
            require_bool("Cadence", name, getattr(self, name))
