"""Memories of strangers: an honest one passes, its words are checked, and what is too large is said in words."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch

from adaqn_lab import AggregatedWindow, BlockDiagonal, Dense, Displacement, PowellB, Repaired, Space, Window
from verification import verify
from verification.catalogue import LAWS, PROPERTIES
from verification.conformance import Outcome
from verification.operator.sums import too_large
from verification.parts import capacity_of, memory_direction
from verification.properties import declared, with_units
from verification.references import dense_bfgs, two_loop
from verification.roles import BadSubjectError, candidate
from verification.shrinking import shrunk
from verification.textbook_memory import TextbookMemory


def outcomes(report):
    return {result.law.name: result for result in report.results}


def test_an_honest_memory_that_declares_nothing_passes():
    report = verify(TextbookMemory, examples=6)
    assert report, str(report)
    assert outcomes(report)["memory-matrix"].outcome is Outcome.PASSED


def test_an_unsymmetric_memory_that_declares_nothing_fails():
    class Unsymmetric(TextbookMemory):
        def apply_(self, state, v, h0):
            return super().apply_(state, v, h0) + 1e-3 * v.roll(1, 1) * (state.count > 0).unsqueeze(1)

    failed = {result.law.name for result in verify(Unsymmetric, examples=6).failures}
    assert "memory-matrix" in failed


def test_a_word_whose_field_is_missing_is_one_sentence():
    class NoField(Window):
        declares: ClassVar[tuple[str, ...]] = ("soft secant",)

    with pytest.raises(BadSubjectError, match=r"declares 'soft secant', whose laws read the field 'softness' which it"):
        candidate(NoField)
    with pytest.raises(BadSubjectError, match=r"field 'by.delta'"):
        candidate(partial(Repaired, by=Nothing()), declares=("damped b",))


class Nothing:
    needs_inverse = False

    def repair(self, s, y, operator):
        return s, y


def test_words_that_exempt_are_properties():
    assert {word for law in LAWS for word in law.unless} <= set(PROPERTIES)


def test_a_declared_number_with_units_exempts_from_the_scale_of_the_loss():
    class Rayleigh(TextbookMemory):
        declares: ClassVar[tuple[str, ...]] = ("absolute threshold",)

        def accepts(self, s_y, s_s, y_y):
            return super().accepts(s_y, s_s, y_y) & (s_y > 1e-4 * s_s)

    found = outcomes(verify(Rayleigh, examples=8))["memory-loss-scale"]
    assert (found.outcome, found.message) == (Outcome.NOT_APPLICABLE, "declared: absolute threshold")


@pytest.mark.parametrize(
    ("part", "has_units"),
    [
        (Window(), True),
        (Dense(), False),
        (Repaired(by=PowellB(), of=Window()), True),
        (Repaired(by=PowellB(), of=Dense()), False),
        (BlockDiagonal(of=Window(dtype=torch.bfloat16)), True),
    ],
)
def test_units_are_seen_inside_other_memories(part, has_units):
    assert (PROPERTIES["absolute threshold"] in with_units(part, declared(part))) is has_units


def test_memories_are_shrunk_inside_too():
    part = Repaired(of=Repaired(of=Window(capacity=10)))
    assert capacity_of(part) == 10
    assert shrunk(part, 2) == Repaired(of=Repaired(of=Window(capacity=2)))
    assert shrunk(Window(capacity=0), 2) == Window(capacity=0)
    assert capacity_of(shrunk(Dense(), 2)) is None


def test_a_dense_method_is_too_large_for_long_sums_in_words():
    assert "too large for this memory: " in too_large(memory_direction(Dense), 14)
    assert "4096 MiB" in too_large(memory_direction(partial(Dense, limit=10**6)), 14)
    assert too_large(two_loop.direction, 14) == ""
    found = outcomes(verify(dense_bfgs.direction, examples=6))["long-sums"]
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert found.message.startswith("too large for this memory: ")


def test_operators_by_inversion_pass():
    def by_cholesky(S, Y, h0, g):
        root = np.linalg.cholesky(dense_bfgs.hessian(S, Y, h0))
        return np.linalg.solve(root.T, np.linalg.solve(root, g.astype(np.float64))).astype(g.dtype)

    report = verify(by_cholesky, examples=20)
    assert report, str(report)


def push(part, s, y):
    space = Space(1, s.shape[1], torch.float64)
    state, verdicts = part.init(space), []
    for one, other in zip(s, y, strict=True):
        move = Displacement(one[None], one[None], torch.zeros_like(one[None]), space.mask(True))
        verdicts.append(bool(part.admit_(state, move, other[None], None).admitted))
    return state, verdicts


@pytest.mark.parametrize("exponent", [-525, -515, 515])
def test_pairs_whose_products_are_no_normal_numbers_are_refused(exponent):
    s = torch.eye(2, dtype=torch.float64) * 2.0**exponent
    state, verdicts = push(Window(), s, 2 * s)
    assert verdicts == [False, False]
    v = torch.ones(1, 2, dtype=torch.float64)
    assert torch.equal(Window().apply_(state, v.clone(), Unit()), v)


class Unit:
    def apply_(self, v):
        return v

    solve_ = apply_


def test_short_displacements_at_right_angles_are_not_aggregated():
    s = torch.eye(2, dtype=torch.float64) * 2.0**-490
    state, verdicts = push(AggregatedWindow(), s, s)
    assert verdicts == [True, True]
    assert int(state.count) == 2
