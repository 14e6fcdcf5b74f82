"""What a damaged checkpoint is said to hold, and what of an odd one is no damage."""

import re
from functools import cache

import pytest
import torch
from torch import nn

from adaqn_lab import QuasiNewton, SampledHessian, checkpoint
from tests.adaqn_lab import checkpoint_0_1
from tests.adaqn_lab.small import SHORT, events, memory, same_memory, saved_entry

LITTLE = SHORT["ADAQN"].but(guard=None)
EVERY = LITTLE.cadence.every
TWO_WINDOWS = 2 * EVERY
NAN = torch.nan


def stepped(steps, recipe=LITTLE):
    """Two runs of three parameters."""
    weights = nn.Parameter(torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]))
    loss = lambda: (weights**2).sum(1)  # noqa: E731
    optimizer = QuasiNewton([weights], recipe, lr=0.01, runs=2, curvature=loss)
    for _ in range(steps):
        weights.grad = 2 * weights.detach()
        optimizer.step()
    return optimizer


@cache
def saved(steps=TWO_WINDOWS):
    return stepped(steps).state_dict()


def with_entry(**changed):
    """A checkpoint in which these entries are others; a function is applied to what there is."""
    entry = saved()["state"][0]
    changed = {key: x(entry[key]) if callable(x) else x for key, x in changed.items()}
    return saved() | {"state": {0: entry | changed}}


def with_log(**changed):
    """A checkpoint whose first stretch of the log has other tensors."""
    stretch = saved()["state"][0]["log"]["0"]
    return with_entry(log={"0": stretch | {key: x(stretch[key]) for key, x in changed.items()}})


def with_kind(kind, runs=slice(None)):
    """A checkpoint whose last window came to this."""

    def put(values):
        values = values.clone()
        values[-1, runs, 0] = kind
        return values

    return with_log(values=put)


def with_group(**changed):
    """A checkpoint whose parameter group has other options."""
    return saved() | {"param_groups": [saved()["param_groups"][0] | changed]}


def filled(*index):
    """NaN there."""
    return lambda x: x.clone().index_put_(tuple(map(torch.tensor, index)), torch.tensor(NAN, dtype=x.dtype))


ENTRY = {"memory.count": torch.tensor([9, 1]), "memory.head": torch.tensor([0, 0])}
DAMAGED = {
    "state is [7], param_groups is [{": lambda: saved() | {"state": [7]},
    "state is a dict of [0], param_groups is None": lambda: saved() | {"param_groups": None},
    "state[0] is 'x'": lambda: saved() | {"state": {0: "x"}},
    "param_groups[0] is 'x'": lambda: saved() | {"param_groups": ["x"]},
    "param_groups[0] is a dict of ['lr']": lambda: saved() | {"param_groups": [{"lr": 0.1}]},
    "lr of param_groups[0] is 'x'": lambda: with_group(lr="x"),
    "weight_decay of param_groups[0] is None": lambda: with_group(weight_decay=None),
    "step 'x'": lambda: with_entry(step="x"),
    "step -1": lambda: with_entry(step=-1),
    "7 is (1,) torch.float32 torch.strided on cpu": lambda: (
        saved() | {"state": {0: saved()["state"][0] | {7: torch.zeros(1)}}}
    ),
    "memory.s is 'x'": lambda: with_entry(**{"memory.s": "x"}),
    "memory.s is (2, 3, 3) torch.float32 torch.sparse_coo on cpu": lambda: with_entry(
        **{"memory.s": lambda x: x.to_sparse()}
    ),
    "memory.s is (2, 3, 3) torch.float32 torch.strided on meta": lambda: with_entry(
        **{"memory.s": lambda x: x.to("meta")}
    ),
    "log is []": lambda: with_entry(log=[]),
    "log is a dict of ['1']": lambda: with_entry(log=lambda log: {"1": log["0"]}),
    "log.0 is 'x'": lambda: with_entry(log={"0": "x"}),
    "log.0 is a dict of ['last']": lambda: with_entry(log=lambda log: {"0": {"last": log["0"]["last"]}}),
    "log.0.last is () torch.int64 ": lambda: with_log(last=lambda x: x[0]),
    "log.0.values is (1, 2, 6) torch.float64 ": lambda: with_log(values=lambda x: x[:1]),
    "log.0.values is (2, 2, 6) torch.float32 ": lambda: with_log(values=lambda x: x.float()),
    "log.0.values is (2, 2, 6) torch.float64 torch.strided on meta": lambda: with_log(values=lambda x: x.to("meta")),
    f"step {TWO_WINDOWS}, and the log's windows end at steps [{EVERY}, {EVERY}]": lambda: with_log(
        last=lambda x: torch.full_like(x, EVERY)
    ),
    f"calls.MONITOR_LOSS {2**53}": lambda: with_entry(**{"calls.MONITOR_LOSS": 2**53}),
    f"step {TWO_WINDOWS + 1}, undecided 1": lambda: with_entry(step=TWO_WINDOWS + 1, undecided=1),
    "step 0, undecided 1": lambda: with_entry(step=0, undecided=1, log={}),
    f"step {TWO_WINDOWS}, undecided 2": lambda: with_entry(undecided=2),
    f"undecided 1, and the log tells otherwise of step {TWO_WINDOWS}": lambda: with_entry(undecided=1),
    f"undecided 0, and the log tells otherwise of step {TWO_WINDOWS}": lambda: with_kind(NAN),
    "the log's windows came to [9.0]": lambda: with_kind(9.0),
    "the log's windows came to 'nothing in some runs'": lambda: with_kind(NAN, runs=0),
    "memory.head [0, 0] and count [9, 1]": lambda: with_entry(**ENTRY),
    "memory.head [1, 1] and count [1, 1]": lambda: with_entry(**{"memory.held": torch.logical_not}),
    "memory.s holds nan to nan": lambda: with_entry(**{"memory.s": filled([0], [0], [1])}),
    "clock.reference holds nan to nan": lambda: with_entry(**{"clock.reference": filled([1], [1])}),
}


@pytest.mark.parametrize("told", DAMAGED)
def test_what_is_damaged_is_named_and_told(told):
    optimizer = stepped(1)
    kept = memory(optimizer)
    with pytest.raises(ValueError, match=rf"^The checkpoint is damaged \({re.escape(told)}.*\); load another one\.$"):
        optimizer.load_state_dict(DAMAGED[told]())
    assert same_memory(memory(optimizer), kept)


def test_a_reference_without_an_average_must_be_finite_too():
    entry = saved(1)["state"][0]
    assert not entry["clock.anchored"].any()
    hurt = entry | {"clock.reference": filled([1], [1])(entry["clock.reference"])}
    with pytest.raises(ValueError, match=r"damaged \(clock\.reference holds nan to nan\)"):
        stepped(0).load_state_dict(saved(1) | {"state": {0: hurt}})


ODD = {
    "counts as tensors": lambda: with_entry(step=torch.tensor, undecided=torch.tensor),
    "bytes as floats": lambda: with_entry(about=lambda x: x.float()),
    "a slot of which nothing is read": lambda: with_entry(**{"memory.s": filled([0, 1], [2, 2], [0, 1])}),
}
"""torch casts, and leaves as they are, what lies under a parameter; a slot that is not held may hold anything."""


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_and_whole_is_loaded(what):
    assert not saved()["state"][0]["memory.held"][:, 2].any()
    optimizer = stepped(1)
    optimizer.load_state_dict(ODD[what]())
    assert saved_entry(optimizer)["step"] == TWO_WINDOWS
    assert events(optimizer) == events(stepped(TWO_WINDOWS))


def test_a_log_which_a_tool_left_behind_stays_empty():
    optimizer = stepped(1)
    optimizer.load_state_dict(with_entry(log={}))
    assert saved_entry(optimizer)["log"] == {}


def test_stretches_of_the_log_are_read_in_the_order_of_their_numbers(monkeypatch):
    monkeypatch.setattr("adaqn_lab.events.STRETCH", 1)
    long, other = stepped(11 * EVERY), stepped(1)
    other.load_state_dict(long.state_dict())
    assert list(saved_entry(long)["log"])[-1] == "10"
    assert events(other) == events(long)


def test_bytes_are_a_generator_s():
    recipe = LITTLE.but(pairs=SampledHessian(count=2))
    long, other = stepped(TWO_WINDOWS, recipe), stepped(1, recipe)
    whole = long.state_dict()
    other.load_state_dict(whole)
    assert same_memory(memory(other), memory(long))
    (name,) = [key for key, x in whole["state"][0].items() if key != "about" and getattr(x, "dtype", 0) == torch.uint8]
    hurt = whole["state"][0] | {name: torch.full_like(whole["state"][0][name], 255)}
    with pytest.raises(ValueError, match=rf"damaged \({name} holds 255 to 255\)"):
        other.load_state_dict(whole | {"state": {0: hurt}})


def of_0_1(**changed):
    """What version 0.1 saved, with other entries, and an optimizer for it."""
    state = torch.load(checkpoint_0_1.FILE, weights_only=True)["optimizer"]
    entry = state["state"]["quasi_newton"] | changed
    return checkpoint_0_1.Problem().optimizer, state | {"state": state["state"] | {"quasi_newton": entry}}


def test_version_0_1_without_a_window_is_loaded():
    optimizer, state = of_0_1(log={})
    optimizer.load_state_dict(state)
    assert saved_entry(optimizer)["log"] == {}


def test_a_recipe_of_version_0_1_which_is_none_is_told_whole():
    optimizer, state = of_0_1(recipe="Other(1)")
    told = r"another recipe \(.*recipe=Other\(1\) there and None here\); build"
    with pytest.raises(ValueError, match=told):
        optimizer.load_state_dict(state)


class Held:
    """A user's part, which has no words of its own."""

    def __init__(self, **fields):
        self.__dict__ |= fields


def test_a_part_without_a_repr_is_described_by_its_type_and_what_it_holds():
    described = checkpoint.description(Held(of=stepped, inner=Held(), k=3))
    assert described == f"Held(inner=Held(), k=3, of={__name__}.stepped)"
