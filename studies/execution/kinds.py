"""From a stored configuration back to its study."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.errors import InputError
from studies.planning.study import Study
from studies.tasks import Text, load_data, load_text
from studies.tasks.prepared import ABOUT


def text_of(stored: Mapping[str, Any], data: Path | None, text: Path | None) -> Text:
    """Return the text of a stored study: from prepared data, else from a file; none for a study that has none."""
    if stored.get("kind") == "convex":
        return Text(name="", content="")
    if data is not None and os.path.exists(data / ABOUT):
        return load_data(data)
    return load_text(text)


def study_of(stored: Mapping[str, Any], text: Text) -> Study:
    """Return the study of a configuration, on ``text``; `InputError` when text or code have become others."""
    from studies.convex.study import ConvexStudy
    from studies.planning.experiment import Experiment
    from studies.planning.search import SearchPlan

    kinds = {kind.kind: kind for kind in (Experiment, SearchPlan, ConvexStudy)}
    kind = stored.get("kind", Experiment.kind)
    if kind not in kinds:
        raise InputError(f"The study is of the kind {kind!r}, which this version does not know: use the newer one.")
    try:
        study: Study = kinds[kind].from_configuration(stored, text)
    except InputError as refusal:
        raise InputError(
            f"The study cannot be done here, since {refusal}; use the text and the code of the study."
        ) from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise InputError(
            f"The study's configuration cannot be read ({type(error).__name__}: {error}): restore it from a copy."
        ) from error
    return study
