"""How a study says no: one sentence, never a traceback; and how it counts."""

from collections.abc import Iterable


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


def one_of(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``name`` when it is known, else refuse with the list of known names."""
    names = list(known)
    if name not in names:
        raise InputError(f"There is no {kind} named {name!r}: choose from {', '.join(names)}.")
    return name


def counted(number: int, noun: str) -> str:
    """Return the number with its noun in singular or plural.

    >>> counted(1, "seed"), counted(2, "seed"), counted(0, "run")
    ('1 seed', '2 seeds', '0 runs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class WorkersLost(Exception):  # noqa: N818 - the workers are lost, the results are not
    """Workers died more often than they are replaced; the message is one sentence."""
