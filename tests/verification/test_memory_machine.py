"""The shipped memory under any sequence of acts; and the machine can fail."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from adaqn_lab import CautiousCosine, Window
from adaqn_lab.linalg import write_row_
from verification.machine import memory_machine

SETTINGS = settings(stateful_step_count=25)


class KeepsCountOnReset(Window):
    def reset_(self, state, where):
        state.head = torch.where(where, 0, state.head)


class WritesBeforeTesting(Window):
    def admit_(self, state, move, y, operator):
        write_row_(state.y, y, torch.remainder(state.head - 1, self.capacity), move.where)
        return super().admit_(state, move, y, operator)


@pytest.mark.parametrize("factory", [partial(Window, capacity=3), partial(Window, test=CautiousCosine())])
def test_window(factory):
    run_state_machine_as_test(memory_machine(factory), settings=SETTINGS)


@pytest.mark.parametrize("wrong", [KeepsCountOnReset, WritesBeforeTesting])
def test_the_machine_finds(wrong):
    once = settings(SETTINGS, max_examples=40, derandomize=True, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(memory_machine(partial(wrong, capacity=3)), settings=once)
