"""The counts of a step are those committed, none of them a host read."""

from __future__ import annotations

import json

import pytest
import torch

from adaqn_lab.history import History
from tests.benchmarks.counting import Allocations, Operators
from tests.benchmarks.counts import COUNTED, FILE, count

COMMITTED = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", COUNTED)
def test_no_host_read(name):
    assert count(COUNTED[name])["reads"] == 0


@pytest.mark.skipif(
    torch.__version__.split("+")[0] != COMMITTED["torch"],
    reason=f"the counts were made with torch {COMMITTED['torch']}; other versions split their operators differently",
)
@pytest.mark.parametrize("name", COUNTED)
def test_counts_are_the_committed_ones(name):
    """More is a regression; fewer is progress, to be kept by ``python -m tests.benchmarks.counts --write``."""
    assert count(COUNTED[name]) == COMMITTED[name]


def test_the_counts_see_a_direction_formed_twice(monkeypatch):
    once, apply_ = count(COUNTED["ADAQN"]), History.apply_

    def twice(self, v, h0):
        apply_(self, v.clone(), h0)
        return apply_(self, v, h0)

    monkeypatch.setattr(History, "apply_", twice)
    doubled = count(COUNTED["ADAQN"])
    assert doubled["step operators"] > once["step operators"]
    assert doubled["step vectors"] > once["step vectors"]


def test_the_allocations_are_the_storages():
    x = torch.zeros(10)
    with Allocations(threshold=80) as allocations:
        y = x + 1.0  # 40 bytes
        y.view(2, 5).add_(1.0)
        z = torch.zeros(20)  # 80
        del y
        z = z[:3]
    assert (allocations.live, allocations.peak, allocations.large) == (80, 120, 1)
    with Operators() as operators:
        float(z[0])
    assert operators.reads == 1
