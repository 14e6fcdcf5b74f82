"""Which properties a part declares, and so is held to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from adaqn_lab import (
    AdaGrad,
    AggregatedWindow,
    AveragedDifference,
    BarzilaiBorwein,
    BarzilaiBorweinMean,
    BlockDiagonal,
    CentredFisher,
    Clipped,
    Decaying,
    Dense,
    DisplacementAggregation,
    EmpiricalFisher,
    GaussNewton,
    GradientAverage,
    GradientDifference,
    HessianVector,
    Identity,
    LevenbergDamping,
    LookAheadDifference,
    Momentum,
    MonitorIncrease,
    Nesterov,
    Normalised,
    Plain,
    PlusGradient,
    PowellB,
    PowellH,
    Regularised,
    Repaired,
    RMSProp,
    SampledHessian,
    ShiftedWindow,
    SoftWindow,
    TauDamping,
    WarmStart,
    Window,
)
from verification.law import Property
from verification.laws.reference.recipes import reading
from verification.methods import Method

SHIPPED: dict[type, frozenset[Property]] = {
    EmpiricalFisher: frozenset({Property.LINEAR, Property.FISHER}),
    HessianVector: frozenset({Property.LINEAR, Property.HESSIAN}),
    AdaGrad: frozenset({Property.ADAGRAD}),
    RMSProp: frozenset({Property.RMSPROP}),
    BarzilaiBorwein: frozenset({Property.BARZILAI_BORWEIN}),
    Identity: frozenset({Property.IDENTITY}),
    Window: frozenset({Property.FIRST_IN_FIRST_OUT, Property.INVERTIBLE}),
    Dense: frozenset({Property.DENSE, Property.INVERTIBLE}),
    SoftWindow: frozenset({Property.SOFT}),
    ShiftedWindow: frozenset({Property.SHIFTED, Property.INVERTIBLE}),
    AggregatedWindow: frozenset({Property.AGGREGATED, Property.INVERTIBLE}),
    DisplacementAggregation: frozenset({Property.AGGREGATED, Property.SPANNED, Property.INVERTIBLE}),
    BlockDiagonal: frozenset({Property.BLOCKS, Property.INVERTIBLE}),
    CentredFisher: frozenset({Property.CENTRED}),
    GradientDifference: frozenset({Property.DIFFERENCE}),
    GaussNewton: frozenset({Property.LINEAR, Property.GAUSS_NEWTON}),
    SampledHessian: frozenset({Property.SAMPLED}),
    AveragedDifference: frozenset({Property.AVERAGED}),
    LookAheadDifference: frozenset({Property.LOOK_AHEAD}),
    BarzilaiBorweinMean: frozenset({Property.BARZILAI_BORWEIN_MEAN}),
    Decaying: frozenset({Property.DECAYING}),
    WarmStart: frozenset({Property.WARM_START}),
    Clipped: frozenset({Property.CLIPPED}),
    PlusGradient: frozenset({Property.PLUS_GRADIENT}),
    GradientAverage: frozenset({Property.GRADIENT_AVERAGE}),
    Momentum: frozenset({Property.HEAVY_BALL}),
    Nesterov: frozenset({Property.NESTEROV}),
    Normalised: frozenset({Property.UNIT}),
    Plain: frozenset({Property.PLAIN}),
    MonitorIncrease: frozenset({Property.MONITOR_BOUND}),
}
"""What adaqn_lab's own parts declare: kept here, so that the library need not know of its verification."""


_REPAIRS: dict[type, frozenset[Property]] = {
    PowellB: frozenset({Property.DAMPED_B}),
    PowellH: frozenset({Property.DAMPED_H}),
    LevenbergDamping: frozenset({Property.DAMPED_SS}),
    TauDamping: frozenset({Property.TAU_DAMPED}),
    Regularised: frozenset({Property.REGULARISED}),
}


def _of_repair(part: Repaired) -> frozenset[Property]:
    """A repair which another one follows is held to what the two do together."""
    if not isinstance(part.of, Repaired):
        return _REPAIRS.get(type(part.by), frozenset())
    double = isinstance(part.by, PowellH) and isinstance(part.of.by, LevenbergDamping)
    return frozenset({Property.DOUBLE_DAMPED}) if double else frozenset()


def declared(part: Any) -> frozenset[Property]:
    """The properties of ``part``: what its attribute ``declares`` names, or the table says of its exact type.

    Raises ``ValueError`` for a word that is no property.
    """
    if isinstance(part, Method):
        return _of_method(part)
    own = getattr(part, "declares", None)
    if own is None and isinstance(part, Repaired):
        return frozenset({Property.INVERTIBLE}) | _of_repair(part)
    if own is None:
        return SHIPPED.get(type(part), frozenset())
    return words(own, repr(part))


def words(names: Iterable[Any], owner: str) -> frozenset[Property]:
    """The properties of these names. Raises ``ValueError`` with a suggestion for a word that is no property."""
    known = {p.value: p for p in Property}
    for word in names:
        if word not in known and not isinstance(word, Property):
            near = difflib.get_close_matches(str(word), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            raise ValueError(f"{owner} declares {word!r}, which is no property; {hint}")
    return frozenset(word if isinstance(word, Property) else known[word] for word in names)


def _of_method(method: Method) -> frozenset[Property]:
    """What a recipe's guard and memory declare; a recipe without guard is never rolled back, as by the bound."""
    guard = method.recipe.guard
    bounded = guard is None or Property.MONITOR_BOUND in declared(guard)
    fifo = Property.FIRST_IN_FIRST_OUT in declared(method.recipe.memory)
    found = {Property.MONITOR_BOUND} if bounded and fifo else set()
    return frozenset(found | {Property.ADAQN} if reading(method.recipe) is not None else found)
