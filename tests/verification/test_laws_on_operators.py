"""Our own operators obey every law about operators."""

from __future__ import annotations

from functools import partial

import pytest

from adaqn_lab import CautiousCosine, CautiousSS, Window
from verification import LAWS, Subject
from verification.adapters import adaqn_history, adaqn_two_loop
from verification.parts import memory_direction
from verification.references import scipy_operator, two_loop
from verification.running import run

OPERATORS = {
    "adaqn_lab.two_loop": (adaqn_two_loop.direction, None),
    "History.apply_": (adaqn_history.direction, None),
    "History.apply_ around a Diagonal": (adaqn_history.direction_around_diagonal, None),
    "Window": (memory_direction(Window), 10),
    "Window(2)": (memory_direction(partial(Window, capacity=2, test=CautiousSS())), 2),
    "Window(0)": (memory_direction(partial(Window, capacity=0)), 0),
    "Window(cosine)": (memory_direction(partial(Window, test=CautiousCosine())), 10),
}
LAWS_OF_OPERATORS = [law for law in LAWS if law.subject is Subject.OPERATOR]


CASES = [
    pytest.param(law, direction, capacity, id=f"{name}-{law.name}")
    for name, (direction, capacity) in OPERATORS.items()
    for law in LAWS_OF_OPERATORS
    if capacity is None or (capacity > 0 and law.min_pairs <= capacity)
]


@pytest.mark.parametrize(("law", "direction", "capacity"), CASES)
def test_operator(law, direction, capacity):
    run(law, direction, capacity=capacity)


@pytest.mark.parametrize(("law", "direction", "capacity"), CASES)
def test_operator_by_the_kernels(law, direction, capacity, compiled_kernels):
    run(law, direction, capacity=capacity)


def test_a_window_of_capacity_zero_is_its_h0():
    (law,) = [law for law in LAWS if law.name == "no-pairs"]
    run(law, OPERATORS["Window(0)"][0], capacity=0)


REFERENCES = [
    pytest.param(law, module.direction, id=f"{module.__name__.rpartition('.')[2]}-{law.name}")
    for module in (two_loop, scipy_operator)
    for law in LAWS_OF_OPERATORS
    if law.tolerance != "exact"
]


@pytest.mark.parametrize(("law", "direction"), REFERENCES)
def test_reference(law, direction):
    """The references obey the laws too, but for bits: those depend on the dtype and order of the arithmetic.

    (The dense and the compact form have larger tolerances of their own, see the table.)
    """
    run(law, direction)
