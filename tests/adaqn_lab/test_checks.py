"""Every hyper-parameter out of range is refused in one sentence: value, reason, way out."""

import math
import re

import pytest

from adaqn_lab import (
    AdaGrad,
    Cadence,
    CautiousCosine,
    CautiousSS,
    CautiousYY,
    EmpiricalFisher,
    MeanTimesBatch,
    MonitorIncrease,
    RMSProp,
    Window,
)

NAN, INF = math.nan, math.inf

OUT_OF_RANGE = [
    (AdaGrad, "eps", [0.0, -1.0, NAN, INF]),
    (RMSProp, "eps", [0.0, -1.0, NAN, INF]),
    (RMSProp, "decay", [-0.1, 1.0, 1.5, NAN]),
    (CautiousSS, "eps", [-1e-9, NAN, INF]),
    (CautiousYY, "eps", [-1e-9, NAN, INF]),
    (CautiousCosine, "eps", [-1e-9, 1.0, NAN]),
    (MonitorIncrease, "at_most", [0.99, -1.0, NAN, INF]),
    (MonitorIncrease, "slack", [-1e-9, NAN, INF]),
    (EmpiricalFisher, "window", [0, -1]),
    (MeanTimesBatch, "batch_size", [0, -3]),
    (Window, "capacity", [-1]),
    (Cadence, "every", [0, -20]),
]
WRONG_TYPE = [
    (AdaGrad, "eps", ["1e-4", None, True]),
    (RMSProp, "decay", ["0.9", None, False]),
    (CautiousSS, "eps", [None]),
    (CautiousYY, "eps", ["small"]),
    (CautiousCosine, "eps", [True]),
    (MonitorIncrease, "at_most", [None, "1.01"]),
    (MonitorIncrease, "reevaluate", [1, None]),
    (MonitorIncrease, "clear_store", [0, "yes"]),
    (EmpiricalFisher, "window", [2.0, "100", True, None]),
    (MeanTimesBatch, "batch_size", [1.5, None]),
    (Window, "capacity", [1.0, None, False]),
    (Cadence, "every", [1.0, "20", True]),
    (Cadence, "after_step", [1]),
    (Cadence, "from_start", [None]),
    (Cadence, "always_advance", ["no"]),
]
AT_THE_EDGE = [
    (RMSProp, "decay", [0.0, 0]),
    (AdaGrad, "eps", [1, 1e-30]),
    (CautiousSS, "eps", [0, 0.0]),
    (CautiousYY, "eps", [0.0, 3]),
    (CautiousCosine, "eps", [0.0, 0.999]),
    (MonitorIncrease, "at_most", [1, 1.0]),
    (MonitorIncrease, "slack", [0, 2.5]),
    (EmpiricalFisher, "window", [1]),
    (MeanTimesBatch, "batch_size", [1]),
    (Window, "capacity", [0, 1]),
    (Cadence, "every", [1]),
]


def each(table):
    return [
        pytest.param(*row[:2], value, id=f"{row[0].__name__}.{row[1]}={value}") for row in table for value in row[2]
    ]


@pytest.mark.parametrize(("part", "name", "value"), each(OUT_OF_RANGE))
def test_out_of_range(part, name, value):
    with pytest.raises(ValueError, match=rf"^{part.__name__}: {name}={re.escape(repr(value))} .*; pass [^\n]*\.$"):
        part(**{name: value})


@pytest.mark.parametrize(("part", "name", "value"), each(WRONG_TYPE))
def test_wrong_type(part, name, value):
    with pytest.raises(TypeError, match=rf"^{part.__name__}: {name}={re.escape(repr(value))} .*; pass [^\n]*\.$"):
        part(**{name: value})


@pytest.mark.parametrize(("part", "name", "value"), each(AT_THE_EDGE))
def test_the_edge_is_accepted(part, name, value):
    assert getattr(part(**{name: value}), name) == value


def test_hyper_parameters_are_keyword_only():
    with pytest.raises(TypeError):
        EmpiricalFisher(100)
    with pytest.raises(TypeError):
        Window(10)
