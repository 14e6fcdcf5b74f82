"""States by name: every tensor once, checked before anything is loaded, copied, never aliased."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from adaqn_lab.state import StaticState, check, flatten, load_


@dataclass
class Inner:
    a: torch.Tensor
    b: torch.Tensor | None = None


@dataclass
class Outer:
    x: torch.Tensor
    inner: Inner
    several: tuple[Any, ...] = ()


def states(fill=0.0):
    several = (Inner(torch.full((4,), fill)), Inner(torch.full((5,), fill), torch.full((1,), fill)))
    return {"pairs": Outer(torch.full((2, 3), fill), Inner(torch.full((1,), fill).double()), several), "guard": None}


NAMES = ["pairs.x", "pairs.inner.a", "pairs.several.0.a", "pairs.several.1.a", "pairs.several.1.b"]


def test_every_tensor_has_the_name_of_its_place():
    made = states()
    flat = flatten(made)
    assert list(flat) == NAMES
    assert flat["pairs.x"] is made["pairs"].x
    assert flat["pairs.several.1.b"] is made["pairs"].several[1].b


def test_what_is_loaded_is_a_copy_in_its_place():
    mine, saved = states(), {name: tensor.requires_grad_() for name, tensor in flatten(states(7.0)).items()}
    check(mine, saved)
    load_(mine, saved)
    for name, tensor in flatten(mine).items():
        assert torch.equal(tensor, saved[name])
        assert tensor.data_ptr() != saved[name].data_ptr()
        assert not tensor.requires_grad


def test_what_is_loaded_comes_to_the_device_of_the_state():
    mine = {"memory": Inner(torch.zeros(2, device="meta"))}
    load_(mine, {"memory.a": torch.ones(2)})
    assert mine["memory"].a.device.type == "meta"


def test_a_static_state_brings_new_values_into_the_old_tensors():
    """As a graph needs it: what was bound anew, exchanged or written in place is where the recording reads it."""
    made = states(1.0)
    pairs, old = made["pairs"], flatten(made)
    static = StaticState(made)
    pairs.x.add_(1.0)
    pairs.inner.a = torch.full((1,), 5.0).double()
    first, second = pairs.several
    first.a, second.a = torch.full((4,), 3.0), old["pairs.several.1.a"][:1].expand(5) * 4
    static.settle_()
    assert all(tensor is old[name] for name, tensor in flatten(made).items())
    assert [float(tensor.flatten()[0]) for tensor in old.values()] == [2.0, 5.0, 3.0, 4.0, 1.0]


def test_tensors_which_changed_places_are_read_before_they_are_written():
    made = {"memory": Inner(torch.full((2,), 1.0), torch.full((2,), 2.0))}
    inner, old = made["memory"], flatten(made)
    static = StaticState(made)
    inner.a, inner.b = inner.b.view(2), inner.a
    static.settle_()
    assert inner.a is old["memory.a"]
    assert inner.b is old["memory.b"]
    assert (inner.a.tolist(), inner.b.tolist()) == ([2.0, 2.0], [1.0, 1.0])


def test_what_was_bound_anew_is_forgotten_when_the_old_tensors_are_bound_again():
    made = states(1.0)
    old, static = flatten(made), StaticState(made)
    made["pairs"].x = torch.zeros(2, 3)
    made["pairs"].several[1].b = torch.zeros(1)
    static.bind()
    assert all(tensor is old[name] for name, tensor in flatten(made).items())
    assert all((tensor == 1.0).all() for tensor in old.values())


@pytest.mark.parametrize("name", NAMES)
def test_another_shape_or_dtype_is_refused_by_its_name(name):
    for change in (lambda t: t.half(), lambda t: t[..., :0]):
        saved = flatten(states())
        saved[name] = change(saved[name])
        with pytest.raises(ValueError, match=rf"^The checkpoint's {name} is \("):
            check(states(), saved)


def test_names_too_many_and_too_few_are_told():
    saved = flatten(states())
    del saved["pairs.x"]
    saved["stepper.velocity"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"differs in pairs\.x, stepper\.velocity; load it"):
        check(states(), saved)


@dataclass
class Counting:
    count: int = 3


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ([torch.zeros(1)], "^The state of 'pairs' is list;"),
        (Inner, "^The state of 'pairs' is type;"),
        (Counting(), "^Field 'count' of the state of 'pairs' is int;"),
        (Outer(torch.zeros(1), Counting()), r"^Field 'count' of the state of 'pairs\.inner' is int;"),
        (Outer(torch.zeros(1), Inner(torch.zeros(1)), (3,)), r"^The state of 'pairs\.several\.0' is int;"),
    ],
)
def test_what_is_no_state_is_refused(state, told):
    with pytest.raises(TypeError, match=told):
        flatten({"pairs": state})
