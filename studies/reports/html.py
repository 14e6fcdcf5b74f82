"""The report of a study: curves, tables, all runs and one self-contained HTML page, from stored results only."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from studies.analysis.clocks import CLOCKS
from studies.analysis.conclusions import answer
from studies.analysis.summary import Summary
from studies.analysis.words import sentence_case
from studies.errors import counted
from studies.planning.configuration import QUESTION
from studies.reports.figures import draw_curves, pictures
from studies.reports.figures.drawing import by_section
from studies.reports.figures.page import CURVES, DIFFERENCES
from studies.reports.figures.variants import keys
from studies.reports.rows import ROWS, has_parquet, write_parquet, write_rows
from studies.reports.setup import commands, setup
from studies.reports.tables import (
    calls,
    comparison,
    comparison_notes,
    notes,
    race,
    race_note,
    results,
    tuning,
    write_results,
)
from studies.reports.texts import plain


def write_report(summary: Summary, directory: Path, errors: Mapping[str, str]) -> list[Path]:
    """Write all files into ``directory`` and return their paths; each replaces its former self at once.

    ``rows.parquet`` is among them where pyarrow is installed.
    """
    html = _page(summary, errors)
    everything = json.dumps(_everything(summary), indent=1)
    files: dict[str, Callable[[Path], Any]] = {
        "report.html": lambda path: path.write_text(html, encoding="utf-8"),
        "table.csv": partial(write_results, summary),
        "results.json": lambda path: path.write_text(everything, encoding="utf-8"),
        ROWS: partial(write_rows, summary.records),
        **{f"curves-{clock}.png": partial(draw_curves, summary, clock) for clock in CLOCKS},
    }
    if has_parquet() and summary.records:
        files["rows.parquet"] = partial(write_parquet, summary.records)
    for name, write in files.items():
        replace_file(directory / name, write)
    return [directory / name for name in files]


def write_page(summary: Summary, directory: Path, errors: Mapping[str, str]) -> None:
    """Write report.html into ``directory``."""
    html = _page(summary, errors)
    replace_file(directory / "report.html", lambda path: path.write_text(html, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``write`` make the file, then put it in the place of the former one at once."""
    # Written beside and moved, so that a full disk never costs the former file.
    draft = path.with_name(f"draft-{path.name}")
    try:
        write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _everything(summary: Summary) -> dict[str, Any]:
    """Return the rows, and every run with its curve."""
    return {
        "configuration": summary.configuration,
        "provenance": summary.provenance,
        "rows": [asdict(row) for row in summary.rows],
        "runs": [
            {
                **record.cell.told,
                "method": record.method,
                "environment": dict(record.environment),
                **record.outcome.to_json(),
            }
            for record in summary.records
        ],
    }


def template(name: str) -> Template:
    """Return a page's template; what it is given is escaped, and it may leave nothing out."""
    jinja = Environment(
        loader=PackageLoader("studies.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    return jinja.get_template(name)


def _page(summary: Summary, errors: Mapping[str, str]) -> str:
    sections = by_section(pictures(summary))
    return template("report.html").render(
        summary=summary,
        where=sentence_case(summary.where),
        counted=counted,
        stored=summary.configuration,
        question=summary.configuration.get("question", QUESTION),
        answer=answer(summary),
        results=(results(summary), notes(summary)),
        comparison=(comparison(summary), comparison_notes(summary)),
        race=(race(summary), race_note(summary)),
        calls=calls(summary),
        keys=keys(summary),
        figures=sections,
        first=[each for each in sections if each[0] in (DIFFERENCES, CURVES)],
        then=[each for each in sections if each[0] not in (DIFFERENCES, CURVES)],
        tuning=tuning(summary),
        setup=setup(summary),
        commands=commands(summary),
        errors=errors,
    )
