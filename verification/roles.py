"""What is it that somebody wants verified? By protocol, never by name."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch

from adaqn_lab import ADAQN, QuasiNewton, Recipe
from adaqn_lab.protocols import Guard, InnerStepper, MemoryPolicy, PairGenerator, ScalingInitializer, lacking, members
from adaqn_lab.recipes import ALL
from verification.adapters.driving import checked
from verification.contracts.memory import FIRST_IN_FIRST_OUT
from verification.law import Law, Property, Subject
from verification.methods import Method
from verification.optimizer.follows_adaqn import FOLLOWS_ADAQN, reading
from verification.parts import memory_direction
from verification.properties import declared, is_shipped, with_units, words

PROTOCOLS: dict[Subject, Any] = {
    Subject.PAIRS: PairGenerator,
    Subject.SCALING: ScalingInitializer,
    Subject.MEMORY: MemoryPolicy,
    Subject.STEPPER: InnerStepper,
    Subject.GUARD: Guard,
}
BASES = {
    Subject.PAIRS: "PairGeneratorBase",
    Subject.SCALING: "ScalingBase",
    Subject.MEMORY: "MemoryBase",
    Subject.STEPPER: "StepperBase",
    Subject.GUARD: "GuardBase",
}
"""Role -> the base in adaqn_lab.bases which has defaults."""


class BadSubjectError(ValueError):
    """What was given cannot be verified; the message is one sentence with the way out."""


@dataclass(frozen=True)
class Candidate:
    """Something to verify: its ``name``, its ``role``, what laws of that role take, and what it declares.

    ``part``: the role in a recipe of which this is a part; "" for what stands by itself.
    """

    name: str
    role: Subject
    target: Any
    declares: frozenset[Property] = frozenset()
    factory: Callable[[], Any] | None = None
    capacity: int | None = None
    part: str = ""

    @property
    def foreign_parts(self) -> tuple[Candidate, ...]:
        """A recipe's parts which are not adaqn_lab's own, each as a candidate of its role."""
        parts = self.target.recipe.parts if self.role is Subject.RECIPE else {}
        foreign = [(role, part) for role, part in parts.items() if not is_shipped(part)]
        return tuple(
            replace(_of_part(part, Subject[role.upper()], part_of(self.target, role)), part=role)
            for role, part in foreign
        )

    def subject_of(self, law: Law) -> Any:
        """The first argument of ``law``: a memory stands for the operator it makes."""
        if law.subject is Subject.OPERATOR and self.role is Subject.MEMORY:
            assert self.factory is not None
            return memory_direction(self.factory)
        return checked(self.target) if self.role is Subject.DRIVE else self.target

    def _operates(self, law: Law) -> bool:
        """Whether a memory is asked as the operator which it makes."""
        return law.subject is Subject.OPERATOR and self.role is Subject.MEMORY

    def needs_of(self, law: Law) -> frozenset[Property]:
        """What this must declare for ``law`` to apply."""
        return law.needs | ({FIRST_IN_FIRST_OUT} if self._operates(law) else frozenset())

    def why_not(self, law: Law) -> str | None:
        """Why ``law`` does not apply; "" if it is about another role, None if it applies."""
        if law.subject is not self.role and not self._operates(law):
            return ""
        missing = sorted(p.word for p in self.needs_of(law) - self.declares)
        if missing:
            return f"not declared: {', '.join(missing)}"
        exempt = sorted(law.unless & {p.word for p in self.declares})
        if exempt:
            return f"declared: {', '.join(exempt)}"
        if self.capacity is not None and self.capacity < law.min_pairs:
            return f"capacity {self.capacity}: it holds no pair"
        return None


ARGUMENTS = {4: Subject.OPERATOR, 3: Subject.DRIVE}
"""Required arguments -> what such a function is: ``direction(S, Y, h0, g)``, ``drive(gradient, start, steps)``."""


def _function_role(target: Any) -> Subject | None:
    """What a plain function is, by the number of its arguments."""
    if isinstance(target, type):
        return None
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    required = [
        p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return ARGUMENTS.get(len(required))


def _no_role(part: Any, lacks: dict[Subject, list[str]]) -> str:
    """The sentence for a part which lacks something of every role."""
    nearest = min(lacks, key=lambda role: len(lacks[role]))
    if len(lacks[nearest]) < len(members(PROTOCOLS[nearest])):
        return (
            f"{part!r} has the attributes of no role; to be a {nearest.value} it lacks {', '.join(lacks[nearest])}: "
            f"adaqn_lab.bases.{BASES[nearest]} has defaults."
        )
    wanted = "; ".join(f"{role.value}: {', '.join(sorted(members(p)))}" for role, p in PROTOCOLS.items())
    return f"{part!r} has the attributes of no role; a part has those of one ({wanted}), see adaqn_lab.bases."


def role_of(part: Any) -> Subject:
    """The role whose protocol ``part`` satisfies. Raises BadSubjectError unless it is exactly one."""
    try:
        lacks = {role: lacking(protocol, part) for role, protocol in PROTOCOLS.items()}
    except Exception as error:
        raise BadSubjectError(
            f"What {type(part).__name__}() made cannot be looked at, it raised {type(error).__name__}: {error}; an "
            "attribute that it lacks is an AttributeError."
        ) from error
    found = [role for role, names in lacks.items() if not names]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadSubjectError(_no_role(part, lacks))
    names = " and ".join(role.value for role in found)
    raise BadSubjectError(f"{part!r} has the attributes of {names}; split it, so that its role is clear.")


def candidate(target: Any, declares: Iterable[str] = (), name: str | None = None) -> Candidate:
    """Recognise a recipe, a direction function or a factory of parts. Raises BadSubjectError in one sentence."""
    try:
        extra = words(declares, "The call")
    except ValueError as error:
        raise BadSubjectError(str(error)) from None
    if isinstance(target, type) and issubclass(target, QuasiNewton):
        return candidate(Method(ADAQN, target), declares, name or target.__name__)
    if isinstance(target, Method | Recipe):
        return _method(target if isinstance(target, Method) else Method(target), extra, name)
    if isinstance(target, torch.optim.Optimizer):
        raise BadSubjectError(
            f"{type(target).__name__}(...) is an optimizer at work; pass its class, or its recipe, or "
            "verification.methods.Method(recipe, class)."
        )
    if not callable(target):
        raise BadSubjectError(f"{target!r} cannot be called; pass a factory of parts, such as its class or a partial.")
    function = _function_role(target)
    if function is not None:
        own_name = str(getattr(target, "__name__", repr(target)))
        return Candidate(name or own_name, function, target, extra)
    try:
        part = target()
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        raise BadSubjectError(
            f"The factory {name or target!r} raised {text}; it must make a part without arguments."
        ) from error
    if isinstance(part, Method | Recipe):
        return candidate(part, declares, name)
    return _of_part(part, role_of(part), target, extra, name)


def _of_part(
    part: Any,
    role: Subject,
    factory: Callable[[], Any],
    extra: frozenset[Property] = frozenset(),
    name: str | None = None,
) -> Candidate:
    """The part that ``factory`` makes. Raises BadSubjectError in one sentence for what it says and has not."""
    try:
        own = with_units(part, declared(part) | extra)
    except ValueError as error:
        raise BadSubjectError(str(error)) from None
    _require_fields(part, own)
    capacity = getattr(part, "capacity", None) if role is Subject.MEMORY else None
    return Candidate(name or describe(part), role, factory, own, factory=factory, capacity=capacity)


def part_of(target: Any, role: str) -> Callable[[], Any]:
    """A factory of the part which ``target``, a recipe or a method or the factory of one, has in this role."""
    whole = target if hasattr(target, "recipe") or isinstance(target, Recipe) else target()
    part = getattr(getattr(whole, "recipe", whole), role)
    return lambda: copy.deepcopy(part)


def _method(method: Method, extra: frozenset[Property], name: str | None) -> Candidate:
    """A recipe and the class that runs it. Raises BadSubjectError in one sentence for what is no such thing."""
    if not isinstance(method.recipe, Recipe):
        raise BadSubjectError(f"Method: recipe={method.recipe!r} is no Recipe; pass one, for example adaqn_lab.ADAQN.")
    kind = method.optimizer
    if not (isinstance(kind, type) and issubclass(kind, QuasiNewton)):
        raise BadSubjectError(
            f"Method: optimizer={kind!r} is no subclass of adaqn_lab.QuasiNewton; another library's method is verified "
            "as a function drive(gradient, start, steps) -> verification.adapters.driving.Driven."
        )
    if FOLLOWS_ADAQN in extra and reading(method.recipe) is None:
        raise BadSubjectError(
            "A recipe declares 'adaqn' and has other parts than adaQN's own, of which the textbook's trajectory is; "
            "leave the word out: every recipe is held to its own parts."
        )
    return Candidate(name or _recipe_name(method), Subject.RECIPE, method, declared(method) | extra)


def _has(part: Any, path: str) -> bool:
    """Whether ``part`` has the attribute of this dotted name."""
    head, _, rest = path.partition(".")
    return hasattr(part, head) and (not rest or _has(getattr(part, head), rest))


def _require_fields(part: Any, declares: Iterable[Property]) -> None:
    """Raise BadSubjectError in one sentence unless ``part`` has every field which the laws on these properties read."""
    for known in sorted(declares, key=lambda p: p.word):
        lacking = [path for path in known.fields if not _has(part, path)]
        if lacking:
            raise BadSubjectError(
                f"{describe(part)} declares {known.word!r}, whose laws read the field {lacking[0]!r} which it lacks; "
                "give the part that field, or take the word off."
            )


def _recipe_name(method: Method) -> str:
    """The recipe's name in adaqn_lab, or what its parts are."""
    for named in ALL:
        if named.recipe is method.recipe:
            return named.name
    return repr(method.recipe)


def describe(part: Any) -> str:
    """A part's ``repr``, or its class's name if that says where it lies in memory only."""
    try:
        text = repr(part)
    except Exception:  # somebody's repr is not what is verified
        return type(part).__name__
    return type(part).__name__ if f" object at {hex(id(part))}" in text else text
