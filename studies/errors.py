"""How a study says no: one sentence, never a traceback; and how it counts."""

import difflib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

_FEW = 40
"""So many names a sentence may list."""
_NEAR = 0.7
"""From this share of equal letters on two names are alike."""


class InputError(Exception):
    """Bad input, told in one sentence: the value, the reason, the way out.

    The command line prints it on one line of stderr and exits with status 2.
    """


def require_at_least(least: int, **values: int | None) -> None:
    """Refuse the first given value that is below ``least``; ``None`` means "not given"."""
    for name, value in values.items():
        if value is not None and value < least:
            option = "--" + name.replace("_", "-")
            raise InputError(
                f"{option} {value} is too small: it counts something that a study needs; give {least} or more."
            )


def require_named(kind: str, **values: Collection[object] | None) -> None:
    """Refuse an option that is given without any value; ``None`` means "not given"."""
    for name, value in values.items():
        if value is not None and not value:
            raise InputError(f"--{name} names no {kind}: give one or more after it, or leave it out.")


def one_of(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``name`` when it is known, else refuse with the names that are like it, or with all that are known.

    >>> one_of("guard", "non", ["none", "increase"])
    Traceback (most recent call last):
    studies.errors.InputError: There is no guard named 'non' (did you mean none?): choose from none, increase.
    """
    names = list(known)
    if name in names:
        return name
    similar = ", ".join(close(name, names))
    if similar and len(names) > _FEW:
        raise InputError(f"There is no {kind} named {name!r} (did you mean {similar}?) among the {len(names)} known.")
    meant = f" (did you mean {similar}?)" if similar else ""
    raise InputError(f"There is no {kind} named {name!r}{meant}: choose from {', '.join(names)}.")


def close(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the names that somebody may have meant, the likeliest first; small and capital letters count alike."""
    names = list(known)
    folded = {each.casefold(): each for each in reversed(names)}
    near = difflib.get_close_matches(name, names, n=most, cutoff=_NEAR)
    alike = [folded[found] for found in difflib.get_close_matches(name.casefold(), folded, n=most, cutoff=_NEAR)]
    exact = [folded[name.casefold()]] if name.casefold() in folded else []
    return list(dict.fromkeys([*exact, *near, *([] if near else alike)]))[:most]


def clause(refusal: InputError) -> str:
    """Return a refusal's sentence as it stands within another: without a capital article and a full stop.

    >>> clause(InputError("The disk is full."))
    'the disk is full'
    """
    told = str(refusal).removesuffix(".")
    return "t" + told[1:] if told.startswith(("The ", "There ")) else told


def meant_path(path: Path) -> str:
    """Return the names beside a path that are like its own, as a question in brackets; nothing without such."""
    try:
        others = [name for name in os.listdir(path.parent) if name != path.name]  # a link to nowhere is none of them
        similar = ", ".join(close(path.name, others)) if not os.path.exists(path) else ""
    except OSError:
        return ""
    return f" (did you mean {similar}?)" if similar else ""


def counted(number: int, noun: str) -> str:
    """Return the number with its noun in singular or plural.

    >>> counted(1, "seed"), counted(2, "seed"), counted(0, "run")
    ('1 seed', '2 seeds', '0 runs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class WorkersLost(Exception):  # noqa: N818 - the workers are lost, the results are not
    """Workers died more often than they are replaced; the message is one sentence."""
