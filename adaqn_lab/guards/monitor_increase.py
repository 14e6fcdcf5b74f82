"""adaQN's guard: roll back when the loss on a fixed monitoring set rose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import GuardBase
from adaqn_lab.checks import require_bool, require_real
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space


@dataclass
class MonitorLosses:
    """Monitor losses (R,) float64: ``loss`` at the average last judged, ``reference`` at w_ref; NaN if unknown."""

    loss: Tensor
    reference: Tensor


@dataclass(frozen=True, kw_only=True)
class MonitorIncrease(GuardBase):
    """Keep the window iff f_M(w_bar) <= f_M(w_ref) + (at_most - 1) |f_M(w_ref)| + slack.

    For f_M(w_ref) >= 0 and no slack that is f_M(w_bar) <= at_most f_M(w_ref), and it is right for negative
    losses too. A NaN or infinite loss rejects. Otherwise the parameters return to w_ref and the pairs are dropped;
    ``clear_store`` says whether the pair generator's store (adaQN's F) is dropped too. A reference whose loss is
    not finite bounds nothing: any finite loss is kept then (with ``Cadence(from_start=True)`` the loss at the
    initial point may be such a one).

    ``reevaluate``: evaluate f_M(w_ref) anew at each window (2 evaluations, for a monitor that changes) instead
    of keeping its value (1 evaluation). The kept value belongs to the point kept: a skipped pair renews neither.
    ``slack``: absolute slack, in units of the loss, for losses near 0.

    Raises ``ValueError`` or ``TypeError`` unless at_most >= 1 and slack >= 0.
    Source: Keskar & Berahas 2016 (increase factor 1.01); the absolute slack and the treatment of negative losses
    are this library's.
    """

    at_most: float = 1.01
    slack: float = 0.0
    reevaluate: bool = False
    clear_store: bool = True

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def __post_init__(self) -> None:
        require_real("MonitorIncrease", "at_most", self.at_most, at_least=1.0)
        require_real("MonitorIncrease", "slack", self.slack, at_least=0.0)
        require_bool("MonitorIncrease", "reevaluate", self.reevaluate)
        require_bool("MonitorIncrease", "clear_store", self.clear_store)

    def init(self, space: Space) -> MonitorLosses:
        """Nothing is known yet."""
        return MonitorLosses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        """Compare the losses; without a reference, or with one of no finite loss, keep iff the loss is finite."""
        if self.reevaluate:
            state.reference = oracle.loss(move.w_ref)
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        """The loss last seen is the reference's."""
        state.reference = torch.where(where, state.loss, state.reference)
