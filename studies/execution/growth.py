"""A command on a study that is stored already: the study grows, or the command is refused."""

from collections.abc import Mapping
from typing import Any, TypeVar

from studies.errors import InputError, clause
from studies.execution.provenance import check_code, commands_of
from studies.planning.configuration import UNREADABLE
from studies.planning.study import Study
from studies.program import is_ours

AStudy = TypeVar("AStudy", bound=Study)


def grown(study: AStudy, attributes: Mapping[str, Any], place: str, *, allow_mixed: bool) -> AStudy:
    """Return the study with what the study of these ``attributes``, kept in ``place``, has already.

    Raises `InputError` where that is another study, or one whose results come from other code.
    """
    stored, origin = attributes.get("configuration"), attributes.get("provenance", {})
    if stored is None:
        return study
    try:
        found = study.grown_from(stored)
    except InputError as refusal:
        raise InputError(
            f"{place} cannot hold this study, since {clause(refusal)}; repeat the command of the study that is in it"
            f"{_told(origin)} to continue it, or give another directory with --out."
        ) from None
    except UNREADABLE as error:
        raise InputError(
            f"The study in {place} has no configuration that could be read ({type(error).__name__}: {error}): "
            "restore it from a copy, or give another directory with --out."
        ) from error
    check_code(place, origin, allow_mixed)
    return found


def _told(origin: Mapping[str, Any]) -> str:
    """Return the last command of a study, in brackets, when it is one of this program."""
    command = str(commands_of(origin)[-1]["command"])
    return f" ({command})" if is_ours(command) and command.isprintable() else ""
