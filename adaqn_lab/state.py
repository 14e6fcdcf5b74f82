"""State of the parts <-> one flat dict of tensors, named by role and field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from adaqn_lab import huge_pages


def _fields(name: str, state: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield (full name, owner, field) of every tensor of a state dataclass, nested ones and tuples of them included."""
    if state is None:
        return
    if not dataclasses.is_dataclass(state) or isinstance(state, type):
        raise TypeError(
            f"The state of {name!r} is {type(state).__name__}; init(space) must return a dataclass of tensors or None."
        )
    for field in dataclasses.fields(state):
        value = getattr(state, field.name)
        if isinstance(value, Tensor):
            yield f"{name}.{field.name}", state, field.name
        elif value is None or dataclasses.is_dataclass(value):
            yield from _fields(f"{name}.{field.name}", value)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                yield from _fields(f"{name}.{field.name}.{index}", item)
        else:
            raise TypeError(
                f"Field {field.name!r} of the state of {name!r} is {type(value).__name__}; "
                "state consists of tensors (a counter is an int64 tensor), so that it can be saved and batched."
            )


def flatten(states: Mapping[str, Any]) -> dict[str, Tensor]:
    """All tensors of ``states`` by ``role.field``; live references, not copies."""
    return {
        full: getattr(owner, field) for role, state in states.items() for full, owner, field in _fields(role, state)
    }


class StaticState:
    """The tensors which the fields of ``states`` hold now; :meth:`settle_` brings later values back into them."""

    def __init__(self, states: Mapping[str, Any]) -> None:
        self._states = states
        self._tensors = flatten(states)
        self._storages = {tensor.untyped_storage().data_ptr() for tensor in self._tensors.values()}

    def settle_(self) -> None:
        """Copy every field that was bound anew into its tensor of then, and bind that again."""
        moved = [
            (owner, field, self._tensors[full], value)
            for role, state in self._states.items()
            for full, owner, field in _fields(role, state)
            if (value := getattr(owner, field)) is not self._tensors[full]
        ]
        # One field's new value may be another's old tensor, which is about to be written.
        values = [v.clone() if v.untyped_storage().data_ptr() in self._storages else v for *_, v in moved]
        for (owner, field, tensor, _), value in zip(moved, values, strict=True):
            setattr(owner, field, tensor.copy_(value))

    def bind(self) -> None:
        """Bind the tensors of then, with what they hold."""
        for role, state in self._states.items():
            for full, owner, field in list(_fields(role, state)):
                setattr(owner, field, self._tensors[full])


def check(states: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` in one sentence unless ``saved`` fits ``states`` in names, shapes and dtypes."""
    own = flatten(states)
    if own.keys() != saved.keys():
        odd = sorted(own.keys() ^ saved.keys())
        raise ValueError(
            f"The checkpoint's state differs in {', '.join(odd)}; load it into an optimizer with the recipe "
            "that saved it."
        )
    for name, tensor in own.items():
        other = saved[name]
        if other.shape != tensor.shape or other.dtype != tensor.dtype:
            raise ValueError(
                f"The checkpoint's {name} is {tuple(other.shape)} {other.dtype}, here it is "
                f"{tuple(tensor.shape)} {tensor.dtype}; load it into an optimizer of the same model and recipe."
            )


def load_(states: Mapping[str, Any], saved: Mapping[str, Tensor]) -> None:
    """Copy ``saved`` into new tensors of ``states``, where theirs are; call :func:`check` first."""
    for role, state in states.items():
        for full, owner, field in list(_fields(role, state)):
            own = getattr(owner, field)
            new = huge_pages.empty(own.shape, own.dtype, own.device, own.is_pinned())
            setattr(owner, field, new.copy_(saved[full].detach()))
