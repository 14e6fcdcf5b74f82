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
    BiasCorrectedRMSProp,
    BlockDiagonal,
    CautiousCosine,
    CautiousSS,
    CautiousYY,
    CentredFisher,
    Clipped,
    ClippedBarzilaiBorwein,
    Constant,
    Decaying,
    Dense,
    DisplacementAggregation,
    EmpiricalFisher,
    GaussNewton,
    Gradient,
    GradientAverage,
    GradientDifference,
    HessianDifference,
    HessianVector,
    HostFisher,
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
    PowellScaled,
    Regularised,
    RegularisedDense,
    Repaired,
    RMSProp,
    SampledHessian,
    ShiftedWindow,
    SketchedFisher,
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
    HostFisher: frozenset({Property.LINEAR, Property.FISHER}),
    HessianVector: frozenset({Property.LINEAR, Property.HESSIAN}),
    SketchedFisher: frozenset({Property.LINEAR, Property.SKETCHED}),
    HessianDifference: frozenset({Property.HESSIAN_DIFFERENCE}),
    AdaGrad: frozenset({Property.ADAGRAD}),
    RMSProp: frozenset({Property.RMSPROP}),
    BiasCorrectedRMSProp: frozenset({Property.BIAS_CORRECTED}),
    BarzilaiBorwein: frozenset({Property.BARZILAI_BORWEIN}),
    ClippedBarzilaiBorwein: frozenset({Property.CLIPPED_BARZILAI_BORWEIN}),
    Constant: frozenset({Property.CONSTANT}),
    Identity: frozenset({Property.IDENTITY}),
    Window: frozenset({Property.FIRST_IN_FIRST_OUT, Property.NEWEST}),
    Dense: frozenset({Property.NEWEST, Property.DENSE}),
    RegularisedDense: frozenset({Property.NEWEST, Property.REGULARISED_DENSE}),
    SoftWindow: frozenset({Property.SOFT}),
    ShiftedWindow: frozenset({Property.NEWEST, Property.SHIFTED}),
    AggregatedWindow: frozenset({Property.NEWEST, Property.AGGREGATED}),
    DisplacementAggregation: frozenset({Property.AGGREGATED, Property.SPANNED}),
    BlockDiagonal: frozenset({Property.BLOCKS}),
    CentredFisher: frozenset({Property.CENTRED}),
    GradientDifference: frozenset({Property.DIFFERENCE}),
    GaussNewton: frozenset({Property.LINEAR, Property.GAUSS_NEWTON}),
    SampledHessian: frozenset({Property.SAMPLED}),
    AveragedDifference: frozenset({Property.AVERAGED}),
    LookAheadDifference: frozenset({Property.LOOK_AHEAD}),
    BarzilaiBorweinMean: frozenset({Property.BARZILAI_BORWEIN_MEAN}),
    Decaying: frozenset({Property.DECAYING, Property.AROUND}),
    WarmStart: frozenset({Property.WARM_START, Property.AROUND}),
    Clipped: frozenset({Property.CLIPPED, Property.AROUND}),
    PlusGradient: frozenset({Property.PLUS_GRADIENT, Property.AROUND}),
    GradientAverage: frozenset({Property.GRADIENT_AVERAGE, Property.AROUND}),
    Momentum: frozenset({Property.HEAVY_BALL, Property.AROUND}),
    Nesterov: frozenset({Property.NESTEROV, Property.AROUND}),
    Normalised: frozenset({Property.UNIT, Property.AROUND}),
    Plain: frozenset({Property.PLAIN}),
    Gradient: frozenset({Property.GRADIENT}),
    MonitorIncrease: frozenset({Property.MONITOR_BOUND}),
}
"""What adaqn_lab's own parts declare: kept here, so that the library need not know of its verification."""


_REPAIRS: dict[type, frozenset[Property]] = {
    PowellB: frozenset({Property.DAMPED_B}),
    PowellH: frozenset({Property.DAMPED_H}),
    LevenbergDamping: frozenset({Property.DAMPED_SS}),
    PowellScaled: frozenset({Property.DAMPED_SCALED}),
    TauDamping: frozenset({Property.TAU_DAMPED}),
    Regularised: frozenset({Property.REGULARISED}),
}


def _of_repair(part: Repaired) -> frozenset[Property]:
    """A repair which another one follows is held to what the two do together."""
    if not isinstance(part.of, Repaired):
        return _REPAIRS.get(type(part.by), frozenset())
    double = isinstance(part.by, PowellH) and isinstance(part.of.by, LevenbergDamping)
    return frozenset({Property.DOUBLE_DAMPED}) if double else frozenset()


_TESTS: dict[type, frozenset[Property]] = {
    CautiousSS: frozenset({Property.CAUTIOUS_SS}),
    CautiousYY: frozenset({Property.CAUTIOUS_YY}),
    CautiousCosine: frozenset({Property.CAUTIOUS_COSINE}),
}


_ROUNDED: dict[type, frozenset[Property]] = {
    EmpiricalFisher: frozenset({Property.LINEAR, Property.ROUNDED}),
    HostFisher: frozenset({Property.LINEAR, Property.ROUNDED}),
    Window: frozenset({Property.ROUNDED_PAIRS}),
}
"""The same where what is stored is rounded to the field ``dtype``."""


def declared(part: Any) -> frozenset[Property]:
    """The properties of ``part``: what its attribute ``declares`` names, or the table says of its exact type.

    A memory with ``invertible`` says so by that. Raises ``ValueError`` for a word that is no property.
    """
    if isinstance(part, Method):
        return _of_method(part)
    own = getattr(part, "declares", None)
    found = _of_type(part) if own is None else words(own, repr(part))
    return found | {Property.INVERTIBLE} if getattr(part, "invertible", False) is True else found


def _of_type(part: Any) -> frozenset[Property]:
    if isinstance(part, Repaired):
        return frozenset({Property.NEWEST}) | _of_repair(part)
    if getattr(part, "dtype", None) is not None:
        return _ROUNDED.get(type(part), frozenset())
    found = SHIPPED.get(type(part), frozenset())
    return found | _TESTS.get(type(getattr(part, "test", None)), frozenset()) if found else found


_WITH_UNITS = frozenset(
    {
        *(Property.SOFT, Property.SHIFTED, Property.SPANNED, Property.REGULARISED_DENSE, Property.REGULARISED),
        *(Property.DAMPED_SS, Property.DAMPED_SCALED, Property.TAU_DAMPED, Property.DOUBLE_DAMPED),
    }
)
"""Properties of memories whose numbers have the units of a curvature."""


def with_units(part: Any, found: frozenset[Property]) -> frozenset[Property]:
    """``found``, and ``ABSOLUTE`` where these properties, or a memory inside, hold a number with units."""
    test = getattr(part, "test", None)
    cautious = (found | _TESTS.get(type(test), frozenset())) & {Property.CAUTIOUS_SS, Property.CAUTIOUS_YY}
    by_test = cautious and getattr(test, "eps", 0) > 0
    inner = getattr(part, "of", None)
    inside = inner is not None and Property.ABSOLUTE in with_units(inner, declared(inner))
    return found | {Property.ABSOLUTE} if by_test or inside or found & _WITH_UNITS else found


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
