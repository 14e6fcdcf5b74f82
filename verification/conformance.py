"""Faces over the one list of laws: ``verify``, ``check_<role>`` and ``parametrize``."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import settings
from hypothesis.errors import FailedHealthCheck, Flaky, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from adaqn_lab.named import meant
from verification.catalogue import LAWS
from verification.contracts.guards import ASKS
from verification.contracts.invertible import INVERTIBLE
from verification.law import Law, Property, Subject
from verification.parts import TooLargeError
from verification.profiles import DEFAULT, current, fitted
from verification.program import program
from verification.progress import Progress
from verification.roles import BadSubjectError, Candidate, candidate
from verification.running import search


class Outcome(enum.Enum):
    """What a law came to."""

    PASSED = "passed"
    FAILED = "FAILED"
    EXPECTED = "expected failure"
    UNEXPECTED_PASS = "PASSED UNEXPECTEDLY"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Result:
    """One law on one subject: the outcome, how many cases ran, why, and the shrunk counter-example.

    ``part``: the role in the recipe of the part which the law is about; "" for what was verified itself.
    """

    law: Law
    outcome: Outcome
    cases: int = 0
    message: str = ""
    case: Any = None
    part: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.outcome not in (Outcome.FAILED, Outcome.UNEXPECTED_PASS)

    @property
    def replay(self) -> str:
        """A line of Python that fails at once: ``target`` is what was verified."""
        kind = type(self.case)
        subject = f"verification.roles.part_of(target, {self.part!r})" if self.part else "target"
        line = f"verification.by_name({self.law.name!r})({subject}, {self.case!r})"
        return f"from {kind.__module__} import {kind.__name__}; {line}"


@dataclass(frozen=True)
class Report:
    """All laws on one subject; true iff none failed. ``str`` is the table."""

    candidate: Candidate
    results: tuple[Result, ...]

    def __bool__(self) -> bool:
        return all(result.ok for result in self.results)

    def count(self, outcome: Outcome) -> int:
        """How many laws came to ``outcome``."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def failures(self) -> tuple[Result, ...]:
        """The laws that failed or passed unexpectedly."""
        return tuple(result for result in self.results if not result.ok)

    @property
    def untried(self) -> dict[Property, int]:
        """What it does not declare -> how many laws were not tried for want of it."""
        missing = [
            prop
            for result in self.results
            if result.outcome is Outcome.NOT_APPLICABLE and not result.part
            for prop in self.candidate.needs_of(result.law) - self.candidate.declares
        ]
        return {prop: missing.count(prop) for prop in sorted(set(missing), key=lambda prop: prop.word)}

    @property
    def contract_only(self) -> bool:
        """Whether it says nothing of what it computes, so that it was held to the contract of its role alone.

        A recipe, a method and an operator have nothing to declare: the laws say what they compute.
        """
        ran = [x.law for x in self.results if x.outcome is not Outcome.NOT_APPLICABLE and not x.part]
        held = frozenset().union(*(self.candidate.needs_of(law) for law in ran)) - {INVERTIBLE, ASKS}
        silent = self.candidate.role in (Subject.RECIPE, Subject.OPERATOR, Subject.DRIVE)
        return not silent and not held and bool(self.untried)

    @property
    def status(self) -> int:
        """The exit status: 0 all laws hold, 1 one failed, 3 all hold but they are those of the contract only."""
        if not self:
            return 1
        return 3 if self.contract_only else 0

    def __str__(self) -> str:
        from verification.table import text

        return text(self)


def by_name(name: str, laws: Iterable[Law] = LAWS) -> Law:
    """The law of that name. Raises ``BadSubjectError`` with a suggestion for an unknown one."""
    known = {law.name: law for law in laws}
    if name not in known:
        hint = meant(name, known) or f"; {program()} --list names them all."
        raise BadSubjectError(f"There is no law {name!r}{hint}")
    return known[name]


PART = 0.25
"""The share of a profile's cases which a law about a part gets where a recipe is verified."""


def _judge(law: Law, subject: Candidate, profile: settings, examples: int | None) -> Result:
    """Run one applicable law; on a part of a recipe with fewer cases, and told with the part's name."""
    if not subject.part:
        return _found(law, subject, profile, examples)
    fewer = settings(profile, max_examples=max(1, round(PART * profile.max_examples)))
    result = _found(law, subject, fewer, examples)
    message = f"its {subject.role.value} {subject.name}: {result.message}" if result.message else ""
    return replace(result, part=subject.part, message=message)


def _found(law: Law, subject: Candidate, profile: settings, examples: int | None) -> Result:
    """Run one applicable law with as many cases as it gets."""
    seen: list[Any] = []
    check = search(law, subject.subject_of(law), capacity=subject.capacity)(seen.append)
    options = fitted(law, profile) if examples is None else settings(profile, max_examples=examples)
    try:
        options(check)()
    except Flaky as error:
        return Result(law, Outcome.FAILED, len(seen), _two_answers(error), seen[-1] if seen else None)
    except AssertionError as error:
        return Result(law, Outcome.FAILED, len(seen), str(error), seen[-1])  # Hypothesis ends with the shrunk case
    except TooLargeError as error:
        return Result(law, Outcome.NOT_APPLICABLE, message=str(error))
    except (Unsatisfiable, FailedHealthCheck):
        return Result(law, Outcome.NOT_APPLICABLE, message="the memory's own test refuses the law's pairs")
    except Exception as error:
        text = _first_line(error)
        return Result(law, Outcome.FAILED, len(seen), text, seen[-1] if seen else None)
    return Result(law, Outcome.PASSED, len(seen))


def _first_line(error: BaseException) -> str:
    """What went wrong in one sentence: an assertion's own, or the exception by its name; the first of several."""
    if isinstance(error, BaseExceptionGroup):
        return _first_line(error.exceptions[0])
    return str(error) if isinstance(error, AssertionError) else f"raised {type(error).__name__}: {error}"


def _two_answers(error: Flaky) -> str:
    """For a part which fails on a case and not again, or otherwise: something that it keeps, or chance, decides."""
    found = [_first_line(each) for each in error.exceptions] if isinstance(error, BaseExceptionGroup) else []
    first = found[0] if found else str(error).splitlines()[0]
    then = f"then otherwise ({found[1]})" if len(found) > 1 and found[1] != first else "then not again"
    return f"two answers to one case: it failed ({first}), {then}; chance, time or something outside its state decides"


def _expected(result: Result, expect_failure: Mapping[str, str]) -> Result:
    """Turn a failure that was announced into an expected one, and its absence into a failure."""
    reason = expect_failure.get(result.law.name)
    if reason is None:
        return result
    if result.outcome is Outcome.FAILED:
        return replace(result, outcome=Outcome.EXPECTED, message=f"{reason} ({result.message})")
    text = f"expected to fail ({reason}) but did not; take it off expect_failure"
    return replace(result, outcome=Outcome.UNEXPECTED_PASS, message=text)


def _laws(
    subject: Candidate,
    laws: Sequence[Law],
    inputs: Mapping[str, SearchStrategy[Any]],
    expect_failure: Mapping[str, str],
) -> tuple[list[tuple[Law, Candidate]], list[Result]]:
    """The laws that apply, with their inputs, each with what it is about; the results of those that do not.

    A recipe's parts which are not adaqn_lab's are held to the laws of their roles as well.
    """
    for name in [*inputs, *expect_failure]:
        by_name(name, laws)
    apply, rest = [], []
    for law in laws:
        reason = subject.why_not(law)
        if reason is None:
            apply.append((law, subject))
        elif reason:
            rest.append(Result(law, Outcome.NOT_APPLICABLE, message=reason))
    apply += [(law, part) for part in subject.foreign_parts for law in laws if part.why_not(law) is None]
    apply = [(replace(law, inputs=inputs[law.name]) if law.name in inputs else law, own) for law, own in apply]
    if not apply:
        raise BadSubjectError(f"No law applies to {subject.name}; there is nothing that this run could show.")
    for name in expect_failure:
        if name not in {law.name for law, _ in apply}:
            raise BadSubjectError(f"The law {name!r} does not apply to {subject.name}; take it off expect_failure.")
    return apply, rest


def results(
    subject: Candidate,
    *,
    laws: Sequence[Law] = LAWS,
    inputs: Mapping[str, SearchStrategy[Any]] | None = None,
    expect_failure: Mapping[str, str] | None = None,
    profile: settings = DEFAULT,
    examples: int | None = None,
    progress: bool = False,
) -> Iterator[Result]:
    """The results one by one, as they come."""
    apply, rest = _laws(subject, laws, inputs or {}, expect_failure or {})
    telling = Progress(subject.name, len(apply)) if progress else None
    try:
        for law, own in apply:
            if telling is not None:
                telling.begins(law.name)
            yield _expected(_judge(law, own, profile, examples), expect_failure or {})
    finally:
        if telling is not None:
            telling.ends()
    yield from rest


def verify(
    target: Any,
    *,
    declares: Iterable[str] = (),
    extra: Sequence[Law] = (),
    inputs: Mapping[str, SearchStrategy[Any]] | None = None,
    expect_failure: Mapping[str, str] | None = None,
    profile: settings = DEFAULT,
    examples: int | None = None,
    progress: bool = True,
) -> Report:
    """Check every law that applies to ``target``.

    ``target``: a factory of parts (a class, a ``functools.partial``), a recipe, a subclass of ``QuasiNewton``, a
    function ``direction(S, Y, h0, g) -> H g`` or ``drive(gradient, start, steps) -> Driven``. A recipe's parts which
    are not adaqn_lab's are held to the laws of their own roles too, with fewer cases. ``declares``: properties beyond
    those that the part declares itself. ``extra``: laws of one's own. ``inputs``: law name -> strategy of its cases
    instead of the law's. ``expect_failure``: law name -> reason; such a law must fail. ``profile``: one of
    ``verification.profiles``, how long to search. ``examples``: cases per law, in place of the profile's number.
    ``progress``: from 3 seconds on, a line for each law on stderr.

    Raises :class:`BadSubjectError` in one sentence if the target cannot be verified or a law's name is unknown.

    >>> from adaqn_lab import Identity
    >>> bool(verify(Identity, examples=5))
    True
    """
    subject = candidate(target, declares)
    laws = (*LAWS, *extra)
    options: dict[str, Any] = {"inputs": inputs, "expect_failure": expect_failure}
    found = results(subject, laws=laws, profile=profile, examples=examples, progress=progress, **options)
    return Report(subject, tuple(found))


def _check(role: Subject) -> Callable[..., None]:
    def check(target: Any, *, declares: Iterable[str] = (), **options: Any) -> None:
        subject = candidate(target, declares)
        if subject.role is not role:
            raise BadSubjectError(f"{subject.name} is a {subject.role.value}, not a {role.value}.")
        options["laws"] = (*LAWS, *options.pop("extra", ()))
        for result in results(subject, **options):
            if not result.ok:
                text = f"{subject.name} breaks the law {result.law.name}: {result.law.statement}\n  {result.message}"
                raise AssertionError(f"{text}\n  replay: {result.replay}")

    check.__doc__ = f"Raise AssertionError at the first law that a {role.value} breaks; arguments as :func:`verify`."
    return check


check_pair_generator = _check(Subject.PAIRS)
"""Raise AssertionError at the first law that a pair generator breaks; arguments as `verify`."""
check_scaling = _check(Subject.SCALING)
"""Raise AssertionError at the first law that a scaling breaks; arguments as `verify`."""
check_memory = _check(Subject.MEMORY)
"""Raise AssertionError at the first law that a memory breaks; arguments as `verify`."""
check_stepper = _check(Subject.STEPPER)
"""Raise AssertionError at the first law that a stepper breaks; arguments as `verify`."""
check_guard = _check(Subject.GUARD)
"""Raise AssertionError at the first law that a guard breaks; arguments as `verify`."""
check_recipe = _check(Subject.RECIPE)
"""Raise AssertionError at the first law that a recipe breaks; arguments as `verify`."""
check_operator = _check(Subject.OPERATOR)
"""Raise AssertionError at the first law that a operator breaks; arguments as `verify`."""


def parametrize(*targets: Any, expect_failure: Mapping[str, str] | None = None, **options: Any) -> Any:
    """A pytest decorator: one test per target and law that applies; the test calls its argument ``check``.

    >>> from adaqn_lab import AdaGrad
    >>> @parametrize(AdaGrad)
    ... def test_laws(check):
    ...     check()

    Arguments as :func:`verify`, but the profile is that of ``pytest --hypothesis-profile``; a conftest.py which calls
    ``verification.profiles.register()`` makes the names known. An expected failure is a strict xfail.
    """
    import pytest

    expected = dict(expect_failure or {})
    laws = (*LAWS, *options.pop("extra", ()))
    inputs = options.pop("inputs", None) or {}
    declares, examples = options.pop("declares", ()), options.pop("examples", None)
    if options:
        raise TypeError(f"parametrize: unknown argument {next(iter(options))!r}; see verify.")
    cases = []
    for target in targets:
        subject = candidate(target, declares)
        for law, own in _laws(subject, laws, inputs, expected)[0]:
            reason = expected.get(law.name)
            marks = [] if reason is None else [pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)]
            name = f"{subject.name}-{own.part}-{law.name}" if own.part else f"{subject.name}-{law.name}"
            cases.append(pytest.param(_test(law, own, examples), id=name, marks=marks))
    if not cases:
        raise BadSubjectError("parametrize: no target was given; pass a class, a partial or a recipe.")
    return pytest.mark.parametrize("check", cases)


def _test(law: Law, subject: Candidate, examples: int | None) -> Callable[[], None]:
    """The law on the subject, as a function without arguments."""

    def check() -> None:
        result = _judge(law, subject, current(), examples)
        if not result.ok:
            raise AssertionError(f"{law.name}: {law.statement}\n  {result.message}\n  replay: {result.replay}")

    return check
