"""The report of a study: curves, table, raw results and one self-contained HTML page, from storage only."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from studies.curves import draw_curves
from studies.plan import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.summary import Row, Summary
from studies.table import MISSING, headings, notes, plus_minus, table_rows, write_csv

CURVES = {"steps": "curves-steps.png", "seconds": "curves-seconds.png"}


def write_report(summary: Summary, directory: Path, errors: Mapping[str, str]) -> list[Path]:
    """Write all files into ``directory`` and return their paths; each replaces its former self at once."""
    pictures = {over: directory / name for over, name in CURVES.items()}
    replace_file(pictures["steps"], lambda path: draw_curves(summary, "steps", path))
    replace_file(pictures["seconds"], lambda path: draw_curves(summary, "seconds", path))
    table, results, page = directory / "table.csv", directory / "results.json", directory / "report.html"
    replace_file(table, lambda path: write_csv(summary, path))
    replace_file(results, lambda path: path.write_text(json.dumps(_results(summary), indent=1), encoding="utf-8"))
    html = _page(summary, pictures, errors)
    replace_file(page, lambda path: path.write_text(html, encoding="utf-8"))
    return [page, table, results, *pictures.values()]


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


def _page(summary: Summary, pictures: Mapping[str, Path], errors: Mapping[str, str]) -> str:
    jinja = Environment(
        loader=PackageLoader("studies", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stored = summary.configuration
    return jinja.get_template("report.html").render(
        summary=summary,
        stored=stored,
        headings=headings(summary),
        table=table_rows(summary),
        notes=notes(summary),
        pictures={over: base64.b64encode(path.read_bytes()).decode() for over, path in pictures.items()},
        tuning=[(row.variant, _tuning_cells(row)) for row in summary.rows],
        tests=[(row.variant, plus_minus(row.test_loss, stored["seeds"])) for row in summary.rows],
        setup=_setup(summary),
        errors=errors,
    )


def _tuning_cells(row: Row) -> list[tuple[str, str, bool]]:
    """Return (learning rate, losses, chosen) of a variant's tuning runs."""
    return [
        (f"{lr:g}", ", ".join("diverged" if x is None else f"{x:.4f}" for x in losses) or MISSING, lr == row.lr)
        for lr, losses in row.tuning.items()
    ]


def _setup(summary: Summary) -> dict[str, str]:
    stored, origin = summary.configuration, summary.provenance
    rates = "given with --lr" if stored["rates"] is None else f"{stored['rates']} per variant, half a decade apart"
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
