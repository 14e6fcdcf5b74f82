"""The report of a study: curves, tables, all runs and one self-contained HTML page, from stored results only."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from studies.analysis.clocks import CLOCKS
from studies.analysis.conclusions import answer
from studies.analysis.summary import Row, Summary
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.planning.configuration import QUESTION
from studies.planning.tuning import RATES_A_ROUND
from studies.reports.console import (
    MISSING,
    RACE_HEADINGS,
    comparison_headings,
    comparison_notes,
    comparison_rows,
    headings,
    notes,
    race_note,
    race_rows,
    table_rows,
    write_csv,
)
from studies.reports.figures import draw_curves, pictures
from studies.reports.rows import has_parquet, write_parquet, write_rows

ROWS = "rows.csv"


def write_report(summary: Summary, directory: Path, errors: Mapping[str, str]) -> list[Path]:
    """Write all files into ``directory`` and return their paths; each replaces its former self at once.

    ``rows.parquet`` is among them where pyarrow is installed.
    """
    html = _page(summary, errors)
    results = json.dumps(_results(summary), indent=1)
    files: dict[str, Callable[[Path], Any]] = {
        "report.html": lambda path: path.write_text(html, encoding="utf-8"),
        "table.csv": partial(write_csv, summary),
        "results.json": lambda path: path.write_text(results, encoding="utf-8"),
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


def _results(summary: Summary) -> dict[str, Any]:
    """Return everything: the rows, and every run with its curve."""
    return {
        "configuration": summary.configuration,
        "provenance": summary.provenance,
        "rows": [asdict(row) for row in summary.rows],
        "runs": [
            {
                **asdict(record.cell),
                "method": record.method,
                "environment": record.environment,
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
    )
    return jinja.get_template(name)


def _page(summary: Summary, errors: Mapping[str, str]) -> str:
    sections = groupby(pictures(summary), key=lambda picture: picture.section)
    return template("report.html").render(
        summary=summary,
        stored=summary.configuration,
        question=summary.configuration.get("question", QUESTION),
        answer=answer(summary),
        results=(headings(summary), table_rows(summary), notes(summary)),
        comparison=(comparison_headings(summary), comparison_rows(summary), comparison_notes(summary)),
        race=(RACE_HEADINGS, race_rows(summary), race_note(summary)),
        calls=_calls(summary),
        figures=[(section, list(found)) for section, found in sections],
        tuning=[(row.variant, _tuning_cells(row)) for row in summary.rows],
        setup=setup(summary),
        commands=commands(summary),
        errors=errors,
    )


def _calls(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of evaluations by kind."""
    kinds = list(dict.fromkeys(kind for row in summary.rows for kind in row.calls))
    cells = [
        [
            row.variant,
            *(f"{row.calls[kind]:.0f}" if kind in row.calls else MISSING for kind in kinds),
            MISSING if row.work is None else f"{row.work:.0f}",
        ]
        for row in summary.rows
    ]
    return ["variant", *kinds, "work"], cells


def commands(summary: Summary) -> list[str]:
    """Return the commands that lead from nothing to this page, on the commit that the runs name."""
    commits = {str(record.environment.get("commit") or "") for record in summary.records}
    found = [f"git checkout {re.sub('[+]$', '', commit)}" for commit in sorted(commits) if commit]
    changed = any(commit.endswith("+") for commit in commits)
    install = 'pip install -c constraints.txt -e ".[studies]"'
    warning = ["# files were changed beside that commit"] if changed else []
    return [*found, *warning, install, summary.provenance.get("command", MISSING)]


def _tuning_cells(row: Row) -> list[tuple[str, str, bool]]:
    """Return (learning rate, losses, chosen) of a variant's tuning runs."""
    return [
        (f"{lr:g}", ", ".join("diverged" if x is None else f"{x:.4f}" for x in losses) or MISSING, lr == row.lr)
        for lr, losses in row.tuning.items()
    ]


def setup(summary: Summary) -> dict[str, str]:
    """Return what the study ran on and with, by heading."""
    stored, origin = summary.configuration, summary.provenance
    rates = "given with --lr" if stored["rates"] is None else f"{stored['rates']} per variant, half a decade apart"
    if stored.get("rounds"):
        rates += f", and {RATES_A_ROUND} more in each of {stored['rounds']} rounds, around the best or beyond its edge"
    windows, schedule = stored["windows"], stored["schedule"]
    environments = {json.dumps(record.environment, sort_keys=True) for record in summary.records}
    return {
        "Command": origin["command"],
        "Started": origin["started"],
        "Text": f"{stored['text']}, {stored['text_characters']} characters, SHA-256 {stored['text_sha256']}",
        "Task": stored.get("task_in_words")
        or f"next character among {stored['symbols']} symbols; split by position "
        f"90 / 5 / 5 %; batches of {windows['batch_size']} windows of {windows['length']} characters; "
        f"{windows['held_out']} fixed validation windows",
        "Model": f"{stored['model']}: {_words(stored['architecture'])}",
        "Budget": f"{stored['steps']} steps a run; learning rates: {rates}; gradient norm clipped at "
        f"{schedule['clip']:g}; diverged means a loss that is not finite or above {schedule['divergence']:g} "
        "times the untrained model's",
        "Tuning seeds": _span(FIRST_TUNING_SEED, stored["tuning_seeds"]),
        "Evaluation seeds": f"{_span(FIRST_EVALUATION_SEED, stored['seeds'])}, the same for every variant",
        "Machine": f"{origin['processor']}, {origin['system']}, {origin['workers']} workers",
        "Versions": "; ".join(_words(json.loads(found)) for found in sorted(environments)) or MISSING,
    }


def _span(first: int, count: int) -> str:
    return f"{first} to {first + count - 1}"


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())
