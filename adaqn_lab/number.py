"""The number of a step, as a recording hands it to the parts."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from torch import Tensor


class Notes:
    """What was done with a number.

    ``settles``: the last step at which a comparison may come out otherwise than later; ``computed``: the tensor was
    used; ``read``: Python took the integer, which a recording would keep.
    """

    def __init__(self) -> None:
        self.settles = 0
        self.computed = False
        self.read = False


class Number:
    """The number k of a step where steps are replayed: an integer for what repeats, a tensor for what does not.

    ``(k + a) % m`` repeats with the windows if m divides their length L: an integer. ``k <= c`` and its like repeat
    after step c. Other arithmetic is done on the device, with ``count``, a tensor () float64 that holds k at every
    replay. What wants the integer gets it, and :class:`Notes` tell.
    """

    def __init__(self, value: int, every: int, count: Tensor, notes: Notes | None = None, shift: int = 0) -> None:
        self._value, self._every, self._count, self._shift = value, every, count, shift
        self.notes = notes or Notes()

    def _shifted(self, by: int) -> Number:
        return Number(self._value + by, self._every, self._count, self.notes, self._shift + by)

    def __add__(self, other: Any) -> Any:
        return self._shifted(other) if isinstance(other, int) else self._tensor() + other

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._shifted(-other) if isinstance(other, int) else self._tensor() - other

    def __mod__(self, other: Any) -> Any:
        return self._value % other if isinstance(other, int) and self._every % other == 0 else self._tensor() % other

    def _compared(self, how: Callable[[Any, Any], Any], other: Any) -> Any:
        if not isinstance(other, int | float):
            return how(self._tensor(), other)
        self.notes.settles = max(self.notes.settles, int(other) - self._shift + 1)
        return how(self._value, other)

    def __bool__(self) -> bool:
        return bool(self._compared(operator.ne, 0))

    def _tensor(self) -> Tensor:
        """k on the device."""
        self.notes.computed = True
        return self._count + self._shift

    def _integer(self) -> int:
        """k as it is now."""
        self.notes.read = True
        return self._value

    def __neg__(self) -> Tensor:
        return -self._tensor()

    def __hash__(self) -> int:
        return hash(self._integer())


def _comparison(how: Callable[[Any, Any], Any]) -> Callable[[Number, Any], Any]:
    return lambda self, other: self._compared(how, other)


def _computation(how: Callable[[Any, Any], Any]) -> Callable[[Number, Any], Any]:
    return lambda self, other: how(self._tensor(), other)


def _reflected(how: Callable[[Any, Any], Any]) -> Callable[[Number, Any], Any]:
    return lambda self, other: how(other, self._tensor())


def _conversion(how: Callable[[int], Any]) -> Callable[[Number], Any]:
    return lambda self: how(self._integer())


for _name in ("lt", "le", "eq", "ne", "ge", "gt"):
    setattr(Number, f"__{_name}__", _comparison(getattr(operator, _name)))
for _name in ("mul", "truediv", "floordiv", "pow"):
    setattr(Number, f"__{_name}__", _computation(getattr(operator, _name)))
for _name in ("sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Number, f"__r{_name}__", _reflected(getattr(operator, _name)))
_CONVERSIONS: dict[str, Callable[[int], Any]] = {"int": int, "index": int, "float": float, "str": str, "repr": repr}
for _name, _how in _CONVERSIONS.items():
    setattr(Number, f"__{_name}__", _conversion(_how))
