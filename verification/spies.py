"""Parts around parts, which write down what they are told: by the optimizer, or by the textbook's loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Displacement, Recipe, Space, Step, Verdict
from adaqn_lab.protocols import Guard, InnerStepper, MemoryPolicy, PairGenerator, ScalingInitializer, members

ROLES = {
    "pairs": PairGenerator,
    "scaling": ScalingInitializer,
    "memory": MemoryPolicy,
    "stepper": InnerStepper,
    "guard": Guard,
}
TOLD = frozenset({"observe_", "pair_", "reset_", "admit_", "direction_", "advance_", "rollback_", "judge_"})
"""What changes a state or makes a decision: how often H0 or H is asked for is the optimizer's affair."""


@dataclass(frozen=True)
class Call:
    """One call: of which role, which method, at which step (0: before the first), with copies of what was given.

    ``admitted`` (R,): of a memory's verdict.
    """

    role: str
    name: str
    k: int
    given: dict[str, Any]
    admitted: Tensor | None = None


@dataclass
class Log:
    """The calls, in order; ``spaces``: for which a part last made its state, by role."""

    calls: list[Call] = field(default_factory=list)
    spaces: dict[str, Space] = field(default_factory=dict)
    k: int = 0

    def at(self, role: str, k: int) -> list[Call]:
        """The calls of one role at one step."""
        return [call for call in self.calls if call.role == role and call.k == k]


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _given(names: tuple[str, ...], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments after the state, taken apart; an oracle or an operator is left out."""
    found: dict[str, Any] = {}
    for name, value in zip(names, arguments, strict=False):
        if isinstance(value, Step):
            found |= {"w": value.w(), "k": int(value.k), "place": value.place, "last": value.last}
            found |= {"g": _copied(value.g), "where": _copied(value.where), "loss": _copied(value.loss)}
        elif isinstance(value, Displacement):
            found |= {key: _copied(getattr(value, key)) for key in ("s", "w_bar", "w_ref", "where")}
        elif isinstance(value, Tensor):
            found[name] = _copied(value)
    return found


_NAMES = {"admit_": ("move", "y"), "reset_": ("where",), "advance_": ("where",), "rollback_": ("where",)}


class _Spy:
    """Base of the spies: another part, its role and the log."""

    def __init__(self, inner: Any, role: str, log: Log) -> None:
        self._inner, self._role, self._log = inner, role, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._inner == (other._inner if isinstance(other, _Spy) else other))

    def __hash__(self) -> int:
        return hash(self._inner)

    def __repr__(self) -> str:
        return repr(self._inner)

    def init(self, space: Space) -> Any:
        """The other's state."""
        if space.device != torch.device("meta"):
            self._log.spaces[self._role] = space
        return self._inner.init(space)


def _forwarding(name: str) -> property:
    """The inner part's attribute; a method that is told something writes down what."""

    def get(self: _Spy) -> Any:
        value = getattr(self._inner, name)
        return _watched(self, name, value) if name in TOLD else value

    return property(get)


def _watched(spy: _Spy, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(state: Any, *arguments: Any) -> Any:
        given = _given(_NAMES.get(name, ("what",)), arguments)
        spy._log.k = given.get("k", spy._log.k)
        index = len(spy._log.calls)
        spy._log.calls.append(Call(spy._role, name, spy._log.k, given))
        answer = method(state, *arguments)
        if isinstance(answer, Verdict):
            spy._log.calls[index] = replace(spy._log.calls[index], admitted=answer.admitted.clone())
        return answer

    return call


def _spy_class(role: str) -> type[_Spy]:
    """A class with the attributes of the role, which a protocol looks for on the class."""
    names = members(ROLES[role]) - {"init"}
    return type(f"{role.title()}Spy", (_Spy,), {name: _forwarding(name) for name in names})


_CLASSES = {role: _spy_class(role) for role in ROLES}


def spy(part: Any, role: str, log: Log) -> Any:
    """A spy around ``part``, which writes into ``log``."""
    return _CLASSES[role](part, role, log)


def spied(recipe: Recipe) -> tuple[Recipe, Log]:
    """The recipe with a spy around each part, and their log."""
    log = Log()
    return recipe.but(**{role: spy(part, role, log) for role, part in recipe.parts.items()}), log
