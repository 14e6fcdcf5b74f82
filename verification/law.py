"""What a law is."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis.strategies import SearchStrategy

from verification.tolerances import TOLERANCES, Tolerance


class Group(enum.Enum):
    """What kind of truth a law states."""

    CONTRACT = "contract"
    """What the optimizer relies on: shapes, masks, purity, schedule, saving."""
    MATHEMATICS = "mathematics"
    """Identities and inequalities of the field."""
    REFERENCE = "reference"
    """Equality with an independent textbook form or another library."""
    INVARIANCE = "invariance"
    """Two ways to the same result."""


class Subject(enum.Enum):
    """What a law is about; the value is how reports name it."""

    OPERATOR = "operator"
    """A function ``direction(S, Y, h0, g) -> d`` on NumPy arrays, the oldest pair first."""
    PAIRS = "pair generator"
    SCALING = "scaling"
    MEMORY = "memory"
    STEPPER = "stepper"
    GUARD = "guard"
    RECIPE = "recipe"
    DRIVE = "method's own steps"
    """A function ``drive(gradient, start, steps) -> Driven`` which runs somebody's L-BFGS."""


class Property(enum.Enum):
    """What a part may declare of itself, and so be held to: the value is the word to declare.

    A part declares by an attribute ``declares``, a set of these words (nothing of ours needs to be imported);
    ``verification.verify`` takes them as an argument too.
    """

    LINEAR = "linear pairs"
    """y = A s with a symmetric A >= 0 which depends on the observed gradients and on w_bar only."""
    FISHER = "fisher"
    """y = factor(|F|) sum g (g's) over the last ``window`` gradients; fields ``window`` and ``normalisation``."""
    ROUNDED_PAIRS = "rounded pairs"
    """H and its verdicts are those of the pairs rounded to bfloat16; field ``capacity``."""
    ROUNDED = "rounded"
    """As fisher, with every gradient rounded to bfloat16 when it is stored."""
    SKETCHED = "sketched fisher"
    """y = factor(|F|) sum z (z's), each z the sum of ``group`` gradients in a row with random signs, the last ``rows``
    of them; fields ``normalisation`` and ``seed`` too."""
    HESSIAN = "hessian"
    """y = (Hessian of the curvature loss at w_bar) s."""
    HESSIAN_DIFFERENCE = "hessian difference"
    """y = (g(w_bar + t s) - g(w_bar - t s)) / (2 t) on the curvature batch, t = radius / |s|; field ``radius``."""
    ADAGRAD = "adagrad"
    """H0 = diag(1 / sqrt(sum g g + eps)); field ``eps``."""
    RMSPROP = "rmsprop"
    """H0 = diag(1 / sqrt(V + eps)), V the decaying mean of g g; fields ``eps``, ``decay``."""
    BIAS_CORRECTED = "bias-corrected rmsprop"
    """The same with V / (1 - decay^t) for V, t the gradients seen."""
    BARZILAI_BORWEIN = "barzilai-borwein"
    """H0 = (s'y / y'y) I of the newest pair."""
    CLIPPED_BARZILAI_BORWEIN = "clipped barzilai-borwein"
    """H0 = I / max(y'y / s'y, floor) of the newest pair, I / floor without one; field ``floor``."""
    CONSTANT = "constant"
    """H0 = value I; field ``value``."""
    IDENTITY = "identity"
    """H0 = I."""
    FIRST_IN_FIRST_OUT = "fifo"
    """The memory holds the last ``capacity`` admitted pairs as they were given; field ``capacity``."""
    PLAIN = "plain"
    """d = H g."""
    GRADIENT = "gradient"
    """d = g."""
    MONITOR_BOUND = "monitor bound"
    """keep iff f(w_bar) <= f(w_ref) + (at_most - 1) |f(w_ref)| + slack; fields ``at_most``, ``slack``."""
    ADAQN = "adaqn"
    """A recipe of adaQN's own parts: Fisher pairs, AdaGrad or RMSProp, a window of pairs, the monitor guard."""
    NEWEST = "newest"
    """``newest()`` answers with the products that the verdict on the pair told."""
    CAUTIOUS_SS = "cautious ss"
    """A pair is admitted iff s'y > eps s's and s'y > 0; field ``test.eps``."""
    CAUTIOUS_YY = "cautious yy"
    """The same with s'y > eps y'y."""
    CAUTIOUS_COSINE = "cautious cosine"
    """The same with s'y > eps |s||y|."""
    INVERTIBLE = "invertible"
    """A memory's ``solve_`` is the inverse of its ``apply_``; every memory with ``invertible`` is held to it."""
    DAMPED_B = "damped b"
    """A memory ``of`` with a repair ``by``: s'y = max(s'y, delta s'Bs); field ``by.delta``."""
    DAMPED_H = "damped h"
    """The same with s'y = max(s'y, delta y'Hy)."""
    DAMPED_SS = "damped ss"
    """The same with s'y = max(s'y, mu s's); field ``by.mu``."""
    DAMPED_SCALED = "damped scaled"
    """The same with s'y = max(s'y, delta gamma s's), gamma = max(y'y / s'y, floor); fields ``delta``, ``floor``."""
    TAU_DAMPED = "tau damped"
    """The same with lower <= s'y / s's <= upper; fields of ``by``; with ``tau`` = 1."""
    DENSE = "dense"
    """The memory holds every admitted pair."""
    SOFT = "soft secant"
    """rho = 1 / (s'y + softness s's); fields ``softness``, ``capacity``."""
    SHIFTED = "shifted"
    """H = (B + delta I)^-1 of the last ``capacity`` pairs; field ``delta``."""
    AGGREGATED = "aggregated"
    """A displacement parallel to the newest takes its place; field ``capacity``."""
    SPANNED = "spanned"
    """A displacement in the span of newer ones leaves, H stays; H0 = h0 I; fields ``capacity``, ``h0``."""
    CENTRED = "centred fisher"
    """y = batch_size C s + m (m's), m and C of the last ``window`` gradients; fields ``batch_size``, ``window``."""
    DOUBLE_DAMPED = "double damped"
    """A repair ``by`` (field ``delta``) of s by H y, then one ``of.by`` (field ``mu``) of y by s."""
    REGULARISED_DENSE = "regularised dense"
    """H^-1 = B, the dense BFGS matrix of every pair with delta I added at each; field ``delta``."""
    BLOCKS = "blocks"
    """One memory ``of`` for each block of the space."""
    DIFFERENCE = "difference"
    """y = g(w_bar) - g(w_ref) + shift s on one sample; field ``shift``."""
    HEAVY_BALL = "heavy ball"
    """d_k = sum_i momentum^(k-i) H g_i; field ``momentum``."""
    NESTEROV = "nesterov"
    """theta moves by H g + mu u, u the velocity, which a roll-back restores; fields ``momentum``, ``shrink``, ``grow``,
    ``at_most``."""
    UNIT = "unit"
    """|d| = 1."""
    GAUSS_NEWTON = "gauss-newton"
    """y = J'BJ s, J of the outputs and B of the loss in them."""
    SAMPLED = "sampled hessian"
    """``count`` pairs of random s ~ radius N(0, I), y = A s, which renew the memory; fields ``count``, ``radius``."""
    AVERAGED = "averaged difference"
    """s and y are changes of moving averages over a window; fields ``decay``, ``every``."""
    LOOK_AHEAD = "look-ahead difference"
    """s = w_{k+1} - (w_k + mu v_k), y its change of gradient + shift s; fields ``momentum``, ``shift``."""
    BARZILAI_BORWEIN_MEAN = "barzilai-borwein mean"
    """H0 = mean(s'y / y'y) I over the pairs held; field ``initial``."""
    DECAYING = "decaying"
    """A stepper ``of`` times (tau / (tau + k - 1))^power; fields ``tau``, ``power``."""
    WARM_START = "warm start"
    """d = g for the first ``steps`` steps, the direction of a stepper ``of`` after them."""
    AROUND = "around"
    """The stepper ``of`` inside is told of roll-backs and advances."""
    CLIPPED = "clipped"
    """The direction of a stepper ``of``, no longer than ``radius``."""
    PLUS_GRADIENT = "plus gradient"
    """The direction of a stepper ``of`` plus ``weight`` g."""
    GRADIENT_AVERAGE = "gradient average"
    """The stepper ``of`` sees the moving average of gradients, begun at the first; field ``decay``."""
    REGULARISED = "regularised"
    """A memory ``of`` with a repair ``by``: y + shift s; field ``by.shift``."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """One checkable statement about one subject.

    ``name``; ``number`` in the list of invariants (docs); ``statement``, a formula; ``source``; ``group``; ``subject``;
    ``needs``, the properties which must all be declared for the law to apply; ``unless``, those of which one exempts;
    ``share``, the part of a profile's cases that it gets, where one case says much; ``tolerance``, a name in the table;
    ``min_pairs``, how many pairs a memory must be able to hold for it; ``kills``, the wrong parts (by name) that the
    law catches; ``inputs``, the strategy of its cases; ``check``, a function of the subject and one case which
    raises AssertionError with both numbers.

    For an operator the first argument of ``check`` is the direction function, for a part a factory of fresh
    parts, for a recipe a :class:`~verification.methods.Method`, for steps the drive function.
    """

    name: str
    number: int
    statement: str
    source: str
    group: Group
    subject: Subject
    check: Callable[[Any, Any], None] = field(repr=False)
    inputs: SearchStrategy[Any] = field(repr=False)
    kills: tuple[str, ...] = ()
    tolerance: str = "exact"
    needs: frozenset[Property] = frozenset()
    unless: frozenset[Property] = frozenset()
    share: float = 1.0
    min_pairs: int = 0

    def __post_init__(self) -> None:
        if self.tolerance not in TOLERANCES:
            raise ValueError(f"Law {self.name!r}: tolerance {self.tolerance!r} is not in the table; add it there.")

    @property
    def bound(self) -> Tolerance:
        """The tolerance."""
        return TOLERANCES[self.tolerance]

    def __call__(self, subject: Any, case: Any) -> None:
        """Check one case."""
        self.check(subject, case)


def law(
    *,
    name: str,
    number: int,
    statement: str,
    source: str,
    group: Group,
    subject: Subject,
    inputs: SearchStrategy[Any],
    kills: tuple[str, ...] = (),
    tolerance: str = "exact",
    needs: frozenset[Property] = frozenset(),
    unless: frozenset[Property] = frozenset(),
    share: float = 1.0,
    min_pairs: int = 0,
) -> Callable[[Callable[[Any, Any], None]], Law]:
    """Make the decorated check function ``(subject, case) -> None`` a :class:`Law`."""

    def made(check: Callable[[Any, Any], None]) -> Law:
        return Law(
            name=name,
            number=number,
            statement=statement,
            source=source,
            group=group,
            subject=subject,
            check=check,
            inputs=inputs,
            kills=kills,
            tolerance=tolerance,
            needs=needs,
            unless=unless,
            share=share,
            min_pairs=min_pairs,
        )

    return made
