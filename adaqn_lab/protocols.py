"""The roles of a stochastic quasi-Newton method and the records which pass between them.

A part is any object with the methods of its role: nothing here needs to be imported or subclassed to
write one. Parts hold hyper-parameters only; their state is a dataclass of tensors made by ``init(space)``
and owned by the optimizer. Methods that write into an argument end in ``_``.

Shapes: R independent runs side by side, n parameters each; vectors are (R, n), the scalars of the
algorithm and the masks ``where`` (which runs a call concerns) are (R,). Runs never influence each other,
and no method reads a tensor on the host: decisions are masks.

Any part may declare ``needs``, a set of :class:`Need`; ``check_recipe(recipe)``, which raises ``ValueError`` in one
sentence if the other parts do not suit it; and ``check_space(space)``, the same for the size of the problem.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from adaqn_lab.space import Space

Apply = Callable[[Tensor], Tensor]
"""``v -> H0 v`` on any (R, n) vector; may write into its argument."""


class Operator(Protocol):
    """The inverse Hessian approximation on any (R, n) vector: fresh tensors, without side effects."""

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v."""
        ...

    def over_(self, v: Tensor) -> Tensor:
        """Return H v, written over ``v`` where the memory can."""
        ...

    def inverse(self, v: Tensor) -> Tensor:
        """Return B v, B = H^-1; ``TypeError`` in one sentence if the memory or the scaling cannot."""
        ...


class Need(enum.Enum):
    """What a part asks of the training loop; the value says it in words."""

    MONITOR_LOSS = "monitor loss"
    BATCH_GRADIENT = "gradient of the current mini-batch"
    OVERLAP_GRADIENT = "gradient of the overlap of two mini-batches"
    CURVATURE_GRADIENT = "gradient of the curvature batch"
    HESSIAN_VECTOR_PRODUCT = "Hessian-vector product"
    GAUSS_NEWTON_PRODUCT = "Gauss-Newton product"

    def __repr__(self) -> str:
        return f"Need.{self.name}"

    @property
    def argument(self) -> str:
        """The argument of :class:`~adaqn_lab.QuasiNewton` which meets it."""
        return _ARGUMENTS.get(self, "curvature")


_ARGUMENTS = {
    Need.MONITOR_LOSS: "monitor",
    Need.BATCH_GRADIENT: "batch",
    Need.OVERLAP_GRADIENT: "overlap",
}


class Sample(enum.Enum):
    """On which data gradients are taken: the current mini-batch, its overlap with the next, a curvature batch."""

    BATCH = Need.BATCH_GRADIENT
    OVERLAP = Need.OVERLAP_GRADIENT
    CURVATURE = Need.CURVATURE_GRADIENT

    def __repr__(self) -> str:
        return f"Sample.{self.name}"


@dataclass(frozen=True)
class Step:
    """One mini-batch gradient, before the parameters move.

    ``g`` (R, n) with weight decay added and the sign of ``maximize`` applied; ``where`` (R,) is False for
    runs whose gradient is not finite (their rows of ``g`` are zero); ``w()`` gathers the parameters;
    ``k`` counts steps from 1; ``loss`` is what the closure returned, or None. With ``graphs=True`` k is a
    :class:`~adaqn_lab.number.Number`, an integer in ``k % L`` and comparisons and a tensor in arithmetic; loss is None.

    ``g`` is the optimizer's own vector, the same at every step: copy what you keep.
    """

    k: int
    g: Tensor
    where: Tensor
    w: Callable[[], Tensor]
    loss: Tensor | float | None = None


@dataclass(frozen=True)
class Displacement:
    """One window's displacement: ``s = w_bar - w_ref``, all (R, n).

    ``where`` (R,) is False for runs which have no reference yet: their ``s`` makes no pair. The vectors are the
    optimizer's own, the same at every window: copy what you keep.
    """

    s: Tensor
    w_bar: Tensor
    w_ref: Tensor
    where: Tensor


@dataclass(frozen=True)
class Verdict:
    """What a memory policy did with a pair: ``admitted`` (R,) bool; s'y, s's, y'y (R,) float64."""

    admitted: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor


@dataclass(frozen=True)
class Pair:
    """What a pair generator returns when the displacement is its own: ``s``, ``y`` (R, n), or (R, q, n).

    q pairs are in order of time and admitted one after another; the verdict on the window is that on the last,
    ``admitted`` if any was. With ``renews`` the memory forgets what it held before.
    """

    s: Tensor
    y: Tensor
    renews: bool = False


class Curvature(Protocol):
    """What a scaling may read of the memory: the newest pair's s'y, s's, y'y (R,) and whether there is one.

    A memory may also answer ``products()``, the same of all pairs held: ``(s_y, s_s, y_y, held)``, each (R, m).
    """

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return ``(s_y, s_s, y_y, exists)``, each (R,)."""
        ...


class OracleLike(Protocol):
    """Values of the objective at any point, from the callables given to the optimizer."""

    def loss(self, w: Tensor) -> Tensor:
        """Monitor loss at ``w`` (R, n) -> (R,) float64."""
        ...

    def gradient(self, w: Tensor, sample: Sample) -> Tensor:
        """Gradient of the sample's loss at ``w``: (R, n) -> (R, n)."""
        ...

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """Hessian of the curvature loss at ``w`` times ``v``: (R, n) -> (R, n)."""
        ...

    def gauss_newton(self, w: Tensor, v: Tensor) -> Tensor:
        """Generalised Gauss-Newton matrix of the curvature loss at ``w`` times ``v``: (R, n) -> (R, n)."""
        ...


@runtime_checkable
class PairGenerator(Protocol):
    """For a displacement s, what is y?"""

    def init(self, space: Space) -> Any:
        """Make the state."""
        ...

    def observe_(self, state: Any, step: Step) -> None:
        """See every mini-batch gradient, for the runs in ``step.where``."""
        ...

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor | Pair:
        """Return y (R, n) for ``move.s``, or a :class:`Pair` with a displacement of its own."""
        ...

    def reset_(self, state: Any, where: Tensor) -> None:
        """Forget everything about the runs in ``where``."""
        ...


@runtime_checkable
class ScalingInitializer(Protocol):
    """What is H0?

    Optional: ``apply_inverse_(state, history, v)`` returns H0^-1 v, for parts which need B; and
    ``diagonal(state, history)`` returns H0 as a :class:`~adaqn_lab.diagonal.Diagonal`, which the direction applies
    block by block.
    """

    def init(self, space: Space) -> Any:
        """Make the state."""
        ...

    def observe_(self, state: Any, step: Step) -> None:
        """See every mini-batch gradient, for the runs in ``step.where``, before it is used."""
        ...

    def apply_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        """Return H0 v; may write into ``v``, never into the state."""
        ...


@runtime_checkable
class MemoryPolicy(Protocol):
    """Which pairs are admitted, repaired, evicted; and H v from those that are held.

    Optional: ``apply_inverse(state, v, b0)`` returns B v (fresh), for parts which need B; ``b0`` is ``v -> H0^-1 v``;
    ``apply_(state, v, h0)`` returns H v in ``v`` itself.
    """

    def init(self, space: Space) -> Any:
        """Make the state; it answers ``newest()`` (see :class:`Curvature`)."""
        ...

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge (move.s, y) for the runs in ``move.where`` and store what is admitted."""
        ...

    def apply(self, state: Any, v: Tensor, h0: Apply) -> Tensor:
        """Return H v (fresh); ``h0`` may write into its argument."""
        ...

    def reset_(self, state: Any, where: Tensor) -> None:
        """Drop the pairs of the runs in ``where``."""
        ...


@runtime_checkable
class InnerStepper(Protocol):
    """How do gradient and H become a step?

    Optional: ``over_(state, step, operator)``, the same direction written over ``step.g``, which nobody needs any
    more: the optimizer calls it in place of ``direction_`` where there is one. And ``advance_(state, where)``, told
    when the window's average became the reference of these runs, so that a later roll-back can restore what
    belonged to it.
    """

    def init(self, space: Space) -> Any:
        """Make the state."""
        ...

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return d (R, n), a fresh tensor; the optimizer makes w <- w - lr d."""
        ...

    def rollback_(self, state: Any, where: Tensor) -> None:
        """The parameters of the runs in ``where`` went back to the reference."""
        ...


@runtime_checkable
class Guard(Protocol):
    """Was the last window an improvement: keep it, or roll back?"""

    @property
    def clear_store(self) -> bool:
        """Whether a roll-back also resets the pair generator (adaQN: its gradients F)."""
        ...

    def init(self, space: Space) -> Any:
        """Make the state; ``state.loss`` and ``state.reference`` (R,) float64 are recorded in the events."""
        ...

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return keep (R,) bool; runs outside ``move.where`` have nothing to compare with yet."""
        ...

    def advance_(self, state: Any, where: Tensor) -> None:
        """The average last judged became the reference of the runs in ``where``."""
        ...
