"""Configurations of studies: what two of them differ in, in words, and whether one may grow into the other."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from studies.errors import InputError

QUESTION = "Which of adaQN's choices matter, and does it keep up with first-order methods?"
"""The question of a study of no particular factor."""
_LATER_SETTINGS = {
    "rounds": 0,
    "reference": "ADAQN",
    "factor": None,
    "task": "characters",
    "tf32": False,
    "tune": [],
    "draws": 1,
    "lr_given": None,
}
"""What a study that was stored before these settings existed stands for."""
_NO_LONGER = frozenset(("side_by_side", "device"))
"""How a study was done, which version 0.1 counted among what it is; each run tells it now."""
UNREADABLE = (KeyError, TypeError, AttributeError, IndexError, ValueError)
"""What comes of reading a configuration that is not one."""
_FOLLOWING = ("text_characters", "text_unigram_entropy", "symbols", "task_in_words", "question")
"""What follows from other settings and would be told twice."""
_NAMED = 3
"""So many variants a question names."""


def question(base: str, compared: Sequence[str]) -> str:
    """Return the question of a study of chosen variants.

    >>> question("ADAQN", ["ADAQN", "Adam", "SGD"])
    'How do Adam and SGD compare with ADAQN?'
    """
    others = [name for name in compared if name != base]
    if not others:
        return f"How well does {base} train?"
    if len(others) > _NAMED:
        others[_NAMED - 1 :] = [f"{len(others) - _NAMED + 1} others"]
    listed = " and ".join([", ".join(others[:-1]), others[-1]] if len(others) > 1 else others)
    return f"How {'does' if len(others) == 1 else 'do'} {listed} compare with {base}?"


def _asked_for(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a setting that ``before`` does not have is away from its default now."""
    return any(value for name, value in now.items() if name not in before and name != "symbols")


def what_differs(stored: Mapping[str, Any], wanted: Mapping[str, Any], growing: Collection[str] = ()) -> str:
    """Return the settings in which two configurations differ, in words; empty when they are equal.

    Settings that may grow are left out.
    """
    found = []
    stored, wanted = {**_LATER_SETTINGS, **stored}, {**_LATER_SETTINGS, **wanted}
    for key in {**stored, **wanted}:
        before, now = stored.get(key), wanted.get(key)
        if before == now or key in growing or key in _NO_LONGER:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            # What a study was stored without is at its default: "carried" and "symbols" of the windows, "decay".
            if (
                key in ("windows", "architecture", "schedule")
                and before.items() <= now.items()
                and not _asked_for(before, now)
            ):
                continue
            names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            found.append(f"{key} differ in {', '.join(names)}")
        elif key == "text_sha256":
            found.append(f"{key} is {str(before)[:12]} there and {str(now)[:12]} here")
        elif key not in _FOLLOWING:
            found.append(f"{key} is {before} there and {now} here")
    return ", ".join(found)


def check_growth(stored: Mapping[str, Any], wanted: Mapping[str, Any], *, numbers: Collection[str] = (),
                 others: Collection[str] = ()) -> None:  # fmt: skip
    """Raise `InputError` unless ``wanted`` is ``stored`` with larger ``numbers``, and ``others`` as they may be.

    A study may grow where the cells that it has keep their meaning: then they are kept to the last bit.
    """
    if differences := what_differs(stored, wanted, (*numbers, *others)):
        raise InputError(f"it is another study: {differences}")
    stored, wanted = {**_LATER_SETTINGS, **stored}, {**_LATER_SETTINGS, **wanted}
    for name in numbers:
        before, now = stored.get(name), wanted[name]
        if before is not None and now is not None and now < before:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"it has {name.replace('_', ' ')} = {before} already, and {option} {now} would be fewer: "
                             f"give {option} {before} or more")  # fmt: skip
