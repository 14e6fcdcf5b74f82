"""From a stored configuration back to its study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.convex.study import ConvexStudy
from studies.errors import InputError, clause
from studies.execution.reading import read
from studies.planning.configuration import UNREADABLE
from studies.planning.experiment import Experiment
from studies.planning.search import SearchPlan
from studies.planning.study import Study
from studies.tasks import Text, load_data

KINDS: dict[str, type[Experiment] | type[SearchPlan] | type[ConvexStudy]] = {
    kind.kind: kind for kind in (Experiment, SearchPlan, ConvexStudy)
}


def text_of(stored: Mapping[str, Any], data: Path | None, text: Path | None) -> Text:
    """Return the text of a stored study: from prepared data, else from a file; none for a study that has none."""
    if not _kind_of(stored).reads_text:
        return Text(name="", content="")
    return read(text) if data is None else load_data(data)


def study_of(stored: Mapping[str, Any], text: Text) -> Study:
    """Return the study of a configuration, on ``text``; `InputError` when text or code have become others."""
    kind = _kind_of(stored)
    try:
        return kind.from_configuration(stored, text)
    except InputError as refusal:
        raise InputError(
            f"The study cannot be done here, since {clause(refusal)}; use the text and the code of the study."
        ) from None
    except UNREADABLE as error:
        raise InputError(
            f"The study's configuration cannot be read ({type(error).__name__}: {error}): restore it from a copy."
        ) from error


def _kind_of(stored: Mapping[str, Any]) -> type[Experiment] | type[SearchPlan] | type[ConvexStudy]:
    kind = stored.get("kind", Experiment.kind)
    if kind not in KINDS:
        raise InputError(f"The study is of the kind {kind!r}, which this version does not know: use the newer one.")
    return KINDS[kind]
