"""The same as test_checks.py for the parts of adaQN's relatives."""

import math
import re

import pytest

import adaqn_lab as lab
from adaqn_lab import (
    AggregatedWindow,
    AveragedDifference,
    BarzilaiBorweinMean,
    BiasCorrectedRMSProp,
    Clipped,
    ClippedBarzilaiBorwein,
    Constant,
    Decaying,
    Dense,
    DisplacementAggregation,
    GradientAverage,
    GradientDifference,
    HessianDifference,
    HostFisher,
    LevenbergDamping,
    LookAheadDifference,
    Momentum,
    Nesterov,
    Normalised,
    PlusGradient,
    PowellB,
    PowellH,
    PowellScaled,
    Regularised,
    RegularisedDense,
    SampledHessian,
    ShiftedWindow,
    SketchedFisher,
    SoftWindow,
    TauDamping,
    WarmStart,
)

NAN, INF = math.nan, math.inf
FREE = lab.ADAQN.but(guard=None)
POSITIVE = ([0.0, -1.0, NAN, INF], [1e-9, 1, 5.0])
FRACTION = ([0.0, 1.0, -0.5, NAN], [1e-9, 0.999])
FROM_ZERO = ([-1e-9, 1.0, 1.5, NAN], [0.0, 0, 0.999])
AT_LEAST_ONE = ([0, -1], [1, 2])
ANY = ([NAN, INF, -INF], [-2.5, 0, 0.0])
NOT_A_NUMBER, NOT_AN_INTEGER = ["1", None, True], [1.0, "1", None, False]
REALS = [
    (Clipped, "radius", POSITIVE),
    (Decaying, "tau", POSITIVE),
    (Decaying, "power", POSITIVE),
    (PlusGradient, "weight", POSITIVE),
    (Momentum, "momentum", FROM_ZERO),
    (GradientAverage, "decay", FROM_ZERO),
    (Nesterov, "at_most", ([1.0, -0.5, NAN], [0.9, 0.999])),
    (Nesterov, "momentum", ([-1e-9, 1.0, NAN], [0.0, 0.99])),
    (Nesterov, "shrink", ([0.0, 1.5, NAN], [1e-9, 1, 1.0])),
    (Nesterov, "grow", ([0.999, INF], [1, 1.5])),
    (AveragedDifference, "decay", FROM_ZERO),
    (GradientDifference, "shift", ANY),
    (HessianDifference, "radius", POSITIVE),
    (LookAheadDifference, "momentum", FROM_ZERO),
    (LookAheadDifference, "shift", ANY),
    (SampledHessian, "radius", POSITIVE),
    (AggregatedWindow, "parallel", ([0.0, 1.5, -1.0, NAN], [1e-9, 1.0])),
    (RegularisedDense, "delta", POSITIVE),
    (DisplacementAggregation, "h0", POSITIVE),
    (DisplacementAggregation, "tolerance", FRACTION),
    (PowellB, "delta", FRACTION),
    (PowellH, "delta", FRACTION),
    (PowellScaled, "delta", FRACTION),
    (PowellScaled, "floor", POSITIVE),
    (LevenbergDamping, "mu", FRACTION),
    (TauDamping, "lower", FRACTION),
    (TauDamping, "upper", ([1.0, 0.5, INF], [1.001, 50])),
    (TauDamping, "tau", ([0.0, -1.0, 1.5, NAN], [1e-9, 1, 1.0])),
    (Regularised, "shift", POSITIVE),
    (ShiftedWindow, "delta", POSITIVE),
    (SoftWindow, "softness", POSITIVE),
    (BarzilaiBorweinMean, "initial", POSITIVE),
    (BiasCorrectedRMSProp, "decay", FROM_ZERO),
    (BiasCorrectedRMSProp, "eps", POSITIVE),
    (ClippedBarzilaiBorwein, "floor", POSITIVE),
    (Constant, "value", POSITIVE),
]
INTEGERS = [
    (WarmStart, "steps", AT_LEAST_ONE),
    (AveragedDifference, "every", AT_LEAST_ONE),
    (HostFisher, "window", AT_LEAST_ONE),
    (HostFisher, "every", AT_LEAST_ONE),
    (SketchedFisher, "rows", AT_LEAST_ONE),
    (SketchedFisher, "group", AT_LEAST_ONE),
    (SketchedFisher, "seed", ([-1], [0, 7])),
    (SampledHessian, "count", AT_LEAST_ONE),
    (SampledHessian, "seed", ([-1], [0, 7])),
    (AggregatedWindow, "capacity", AT_LEAST_ONE),
    (DisplacementAggregation, "capacity", AT_LEAST_ONE),
    (Dense, "limit", AT_LEAST_ONE),
    (RegularisedDense, "limit", AT_LEAST_ONE),
    (ShiftedWindow, "capacity", AT_LEAST_ONE),
    (SoftWindow, "capacity", AT_LEAST_ONE),
]
STEPPERS = [Clipped, Decaying, GradientAverage, Momentum, Nesterov, Normalised, PlusGradient, WarmStart]
WRONG_TYPES = [(*row[:2], NOT_A_NUMBER) for row in REALS] + [(*row[:2], NOT_AN_INTEGER) for row in INTEGERS]


def each(table, of=lambda values: values):
    rows = ((part, name, value) for part, name, values in table for value in of(values))
    return [pytest.param(*row, id=f"{row[0].__name__}.{row[1]}={row[2]}") for row in rows]


@pytest.mark.parametrize(("part", "name", "value"), each(REALS + INTEGERS, lambda values: values[0]))
def test_out_of_range(part, name, value):
    with pytest.raises(ValueError, match=rf"^{part.__name__}: {name}={re.escape(repr(value))} .*; pass [^\n]*\.$"):
        part(**{name: value})


@pytest.mark.parametrize(("part", "name", "value"), each(WRONG_TYPES))
def test_wrong_type(part, name, value):
    with pytest.raises(TypeError, match=rf"^{part.__name__}: {name}={re.escape(repr(value))} .*; pass [^\n]*\.$"):
        part(**{name: value})


@pytest.mark.parametrize(("part", "name", "value"), each(REALS + INTEGERS, lambda values: values[1]))
def test_the_edge_is_accepted(part, name, value):
    assert getattr(part(**{name: value}), name) == value


@pytest.mark.parametrize("name", ["batch_size", "window"])
@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (1.0, TypeError)])
def test_the_centred_matrix_s_sizes(name, wrong, error):
    sizes = {"batch_size": 1, "window": 1}
    assert lab.CentredFisher(**sizes)
    with pytest.raises(error, match=rf"^CentredFisher: {name}={wrong} .*; pass [^\n]*\.$"):
        lab.CentredFisher(**(sizes | {name: wrong}))


@pytest.mark.parametrize("of", [None, lab.Plain, lab.AdaGrad()])
@pytest.mark.parametrize("part", STEPPERS)
def test_what_is_inside_must_be_a_stepper(part, of):
    with pytest.raises(TypeError, match=rf"^{part.__name__}: of={re.escape(repr(of))} is no InnerStepper; pass .*\.$"):
        part(of=of)


def test_momentum_may_not_start_above_its_bound():
    with pytest.raises(ValueError, match=r"^Nesterov: momentum=0\.9 is above at_most=0\.5; raise at_most\.$"):
        Nesterov(momentum=0.9, at_most=0.5)
    assert Nesterov(momentum=0.5, at_most=0.5).momentum == 0.5


@pytest.mark.parametrize("part", [Dense, RegularisedDense])
def test_a_dense_matrix_has_a_largest_size(part):
    assert part(limit=4).init(lab.Space(2, 4)) is not None
    with pytest.raises(ValueError, match=rf"^{part.__name__}: 5 parameters .* 5 x 5, above limit=4; use Window\(\)"):
        part(limit=4).init(lab.Space(2, 5))


def test_a_difference_is_of_a_sample():
    with pytest.raises(TypeError, match=r"^GradientDifference: sample='batch' is no Sample; pass Sample\.BATCH\.$"):
        GradientDifference(sample="batch")


@pytest.mark.parametrize("memory", [Dense(), RegularisedDense(), lab.BlockDiagonal()], ids=repr)
def test_a_mean_over_the_pairs_needs_their_products(memory):
    told = (
        rf"^BarzilaiBorweinMean averages .* memory={re.escape(repr(memory))} keeps no list .*; use BarzilaiBorwein\(\)"
    )
    with pytest.raises(ValueError, match=told):
        FREE.but(scaling=BarzilaiBorweinMean(), memory=memory)
    with pytest.raises(TypeError, match=r"keeps no list of its pairs; choose a memory which does: Window\(\)\.$"):
        memory.init(lab.Space(1, 2)).products()
    assert FREE.but(scaling=BarzilaiBorweinMean(), memory=lab.Window())


@pytest.mark.parametrize("around", [lambda of: of, lambda of: lab.BlockDiagonal(of=of)], ids=["alone", "in blocks"])
def test_a_damping_with_b_needs_a_memory_which_has_it(around):
    of = around(SoftWindow())
    text = rf"^Repaired\(by=.*\) needs B = H\^-1 but memory={re.escape(repr(of))} has no products with it; pass .*\.$"
    with pytest.raises(TypeError, match=text):
        FREE.but(memory=lab.Repaired(by=PowellB(), of=of))
    assert FREE.but(memory=lab.Repaired(by=PowellH(), of=of))
    assert FREE.but(memory=lab.Repaired(by=PowellB(), of=around(lab.Window())))


@pytest.mark.parametrize("by", [None, PowellB, "powell"])
def test_a_repair_must_be_one(by):
    with pytest.raises(TypeError, match=rf"^Repaired: by={re.escape(repr(by))} is no Repair; pass one, .*\.$"):
        lab.Repaired(by=by)


@pytest.mark.parametrize("part", [lab.Repaired, lab.BlockDiagonal])
@pytest.mark.parametrize("of", [None, lab.Window, lab.AdaGrad()])
def test_what_is_wrapped_must_be_a_memory(part, of):
    with pytest.raises(TypeError, match=rf"^{part.__name__}: of={re.escape(repr(of))} is no MemoryPolicy.*\.$"):
        part(of=of)
