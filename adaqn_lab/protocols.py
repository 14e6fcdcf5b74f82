"""The roles of a stochastic quasi-Newton method and the records which pass between them.

A part is any object with the attributes of its role: nothing here needs to be imported or subclassed to write one,
and :mod:`adaqn_lab.bases` has bases whose defaults do nothing. All that a role names is always used, and nothing else.
Parts hold hyper-parameters only; their state is a dataclass of tensors made by ``init(space)`` and owned by the
optimizer, which may write any field in place: no two of them share memory. Methods that write into an argument end in
``_``.

Shapes: R independent runs side by side, n parameters each; vectors are (R, n), the scalars of the
algorithm and the masks ``where`` (which runs a call concerns) are (R,). Runs never influence each other,
and no method reads a tensor on the host, the number of a step included: decisions are masks.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from adaqn_lab.space import Space


class InitialMatrix(Protocol):
    """H0 as it is now, symmetric positive definite: two products with any (R, n) vector.

    Both may write into ``v`` and into nothing else; use what they return. A :class:`~adaqn_lab.Diagonal` is one, and
    the direction applies it block by block.
    """

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        ...

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        ...


class Operator(Protocol):
    """The inverse Hessian approximation H on any (R, n) vector, without side effects."""

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v, fresh."""
        ...

    def apply_(self, v: Tensor) -> Tensor:
        """Return H v; writes into ``v``."""
        ...

    def inverse(self, v: Tensor) -> Tensor:
        """Return B v, B = H^-1, fresh; ``TypeError`` in one sentence if the memory cannot."""
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
    ``k`` counts steps from 1: an int, and with ``graphs=True`` a () float64 tensor on the device, which holds the
    number at every replay. ``place`` is the step's place in its window, 0 to L - 1, and ``last`` says whether it closes
    it: both the same at every replay. ``loss`` is what the closure returned, with
    the sign of g under ``maximize``, or None; with ``graphs=True`` None.

    ``g`` is the optimizer's own vector, the same at every step: copy what you keep.
    """

    k: int | Tensor
    g: Tensor
    where: Tensor
    w: Callable[[], Tensor]
    loss: Tensor | float | None = None
    place: int = 0
    last: bool = False


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
    """What a memory policy did with a pair: ``admitted`` (R,) bool; s'y, s's, y'y (R,) float64.

    They are those of the pair as the memory holds it: repaired where it repairs, and in its own unit, since (t s, t y)
    is the same pair for every t > 0. Of a pair that was refused they are its own too, not those of one that is held.
    """

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
    """What a scaling may read of the memory; every memory's state is one."""

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return ``(s_y, s_s, y_y, exists)`` of the newest pair held, each (R,); ones where there is none."""
        ...

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return ``(s_y, s_s, y_y, held)`` of all pairs held, each (R, m); ones where ``held`` is False.

        ``TypeError`` in one sentence from a memory which keeps no list of its pairs.
        """
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


class Part(Protocol):
    """What the parts of every role have."""

    @property
    def needs(self) -> frozenset[Need]:
        """What it asks of the training loop."""
        ...

    def check_recipe(self, recipe: Any) -> None:
        """Raise ``ValueError`` or ``TypeError`` in one sentence if the recipe's other parts do not suit it."""
        ...

    def init(self, space: Space) -> Any:
        """Make the state: a dataclass of tensors, or None. ``ValueError`` for a space which it cannot hold.

        Also called with a space on torch's meta device, to learn the size of the state before anything is allocated.
        """
        ...


@runtime_checkable
class PairGenerator(Part, Protocol):
    """For a displacement s, what is y?"""

    def observe_(self, state: Any, step: Step) -> None:
        """See every mini-batch gradient, for the runs in ``step.where``."""
        ...

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor | Pair:
        """Return y (R, n) for ``move.s``, or a :class:`Pair` with a displacement of its own.

        Called once more with the same ``move`` if the oracle raised: change the state after the last call of it.
        """
        ...

    def reset_(self, state: Any, where: Tensor) -> None:
        """Forget everything about the runs in ``where``."""
        ...


@runtime_checkable
class ScalingInitializer(Part, Protocol):
    """What is H0?"""

    def observe_(self, state: Any, step: Step) -> None:
        """See every mini-batch gradient, for the runs in ``step.where``, before it is used."""
        ...

    def h0(self, state: Any, curvature: Curvature) -> InitialMatrix:
        """Return H0 as it is now, without side effects; a :class:`~adaqn_lab.Diagonal` where it is diagonal."""
        ...


@runtime_checkable
class MemoryPolicy(Part, Protocol):
    """Which pairs are admitted, repaired, evicted; and H v from those that are held. Its state is a :class:`Curvature`.

    The products may write into ``v``, never into the state; use what they return.
    """

    @property
    def invertible(self) -> bool:
        """Whether it has ``solve_``; otherwise that raises ``TypeError`` in one sentence."""
        ...

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge (move.s, y) for the runs in ``move.where`` and store what is admitted.

        ``move.s`` is not ``move.w_bar - move.w_ref`` where the pair generator has a displacement of its own.
        """
        ...

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v, with the pairs held around ``h0``."""
        ...

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v, B = H^-1."""
        ...

    def reset_(self, state: Any, where: Tensor) -> None:
        """Drop the pairs of the runs in ``where``."""
        ...


@runtime_checkable
class InnerStepper(Part, Protocol):
    """How do gradient and H become a step?"""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return d (R, n); the optimizer makes w <- w - lr d. May write into ``step.g``, and d may be that tensor.

        So a stepper around another one which needs g afterwards hands a copy of it inwards.
        """
        ...

    def advance_(self, state: Any, where: Tensor) -> None:
        """The window's average became the reference of the runs in ``where``: a later roll-back goes there."""
        ...

    def rollback_(self, state: Any, where: Tensor) -> None:
        """The parameters of the runs in ``where`` went back to the reference."""
        ...


@runtime_checkable
class Guard(Part, Protocol):
    """Was the last window an improvement: keep it, or roll back?

    Its state has ``loss`` and ``reference`` (R,) float64, which the events tell.
    """

    @property
    def clear_store(self) -> bool:
        """Whether a roll-back also resets the pair generator (adaQN: its gradients F)."""
        ...

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return keep (R,) bool; runs outside ``move.where`` have nothing to compare with yet.

        Called once more with the same ``move`` if the oracle raised, here or afterwards when the pair was made: the
        second call answers what the first one would have.
        """
        ...

    def advance_(self, state: Any, where: Tensor) -> None:
        """The average last judged became the reference of the runs in ``where``."""
        ...


@cache
def members(role: type) -> frozenset[str]:
    """The names that a role asks for."""
    return frozenset(name for kind in (role, Part) for name in vars(kind) if not name.startswith("_"))


def lacking(role: type, part: Any) -> list[str]:
    """What ``part`` lacks of a role, sorted: attributes that it has not, and methods that are ``None``."""
    return sorted(name for name in members(role) if not hasattr(part, name) or _no_method(role, part, name))


def _no_method(role: type, part: Any, name: str) -> bool:
    return getattr(part, name) is None and callable(getattr(role, name, None))
