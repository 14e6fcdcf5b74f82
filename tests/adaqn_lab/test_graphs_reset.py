"""An optimizer that was reset steps as a new one, with what it had recorded."""

import copy

import pytest

from tests.adaqn_lab.small import VARIANTS
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.test_graphs import Run

STEPS = 36
"""Twelve windows, two of the bad gradients, five tenfold losses; not at the last step: a reset asks for the loss."""


@pytest.mark.parametrize("recorder", [None, record])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_reset_optimizer_steps_as_a_new_one_and_records_nothing_anew(name, recorder):
    used = Run(VARIANTS[name], recorder)
    fresh = copy.deepcopy(used.model.state_dict())
    used.optimizer.reset()  # nothing to forget yet
    used.train(0, STEPS)
    used.model.load_state_dict(fresh)
    used.optimizer.reset()
    assert used.optimizer.events == ()
    assert all(not calls for need, calls in used.optimizer.oracle_calls_by_need.items() if need.argument != "monitor")
    if recorder:
        used.optimizer._graphs._record = None  # whoever records again, fails
    used.train(0, STEPS)
    assert used.same_as(Run(VARIANTS[name]).train(0, STEPS))
