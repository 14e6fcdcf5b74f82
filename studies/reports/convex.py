"""The showcase's table on a terminal and as Markdown, its numbers as CSV and JSON, and its figure."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from rich.table import Table
from rich.text import Text

from studies.analysis.convex import HEADINGS, Row
from studies.convex.study import ConvexStudy as Setting
from studies.convex.study import MethodResult as Result
from studies.convex.problem import DATA, Floor
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.reports.console import show
from studies.reports.figures.convex import draw
from studies.reports.html import replace_file
from studies.training.costs import LOSS_COST, PRODUCT_COST


def notes(rows: Sequence[Row], setting: Setting, floor: Floor) -> list[str]:
    """Return the sentences that a reader of the table needs."""
    far = sum(not row.close for row in rows)
    sampled = floor.noise / (setting.epochs * DATA[setting.data].load().examples) / floor.value
    found = [
        f"gap = (f - f*) / f* at the last iterate, median over {setting.seeds} seeds from {FIRST_EVALUATION_SEED} on, "
        f"each rate tuned on {setting.tuning_seeds} seeds from {FIRST_TUNING_SEED} on; f* = {floor.value:.10f} by "
        f"L-BFGS-B in {floor.evaluations} evaluations (largest entry of its gradient: {floor.gradient:.0e}).",
        f"> The gap is above 1e-3: {far} of {len(rows)} methods. For comparison: the best estimate from as many "
        f"examples drawn with replacement has an expected gap of about {sampled:.1e}, tr(H^-1 G) / (2 N f*).",
        "gradients, products and losses count evaluations, steps included; passes is all that work in gradients of "
        f"the whole data (a product as {PRODUCT_COST:g}, a loss as {LOSS_COST:g}). Counts and seconds are means a run.",
    ]
    if any(row.at_edge for row in rows):
        found.append("* The best rate lies on the edge of its grid, one decade extended: a better one may lie beyond.")
    return found


def title(setting: Setting) -> str:
    """Return the table's title."""
    schedule = "rates falling linearly to 0" if setting.decay else "constant rates"
    return (
        f"Logistic regression on {DATA[setting.data].title}, lambda = 1/m, {setting.epochs} epochs in batches of "
        f"{setting.samples.batch}, {schedule}, {setting.seeds} seeds"
    )


def print_convex(rows: Sequence[Row], setting: Setting, floor: Floor, file: IO[str]) -> None:
    """Print the table and its notes."""
    table = Table(title=title(setting), title_justify="left")
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row.cells()))
    show(table, notes(rows, setting, floor), file)


def markdown(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    lines = [HEADINGS, ("---", *("---:" for _ in HEADINGS[1:])), *(row.cells() for row in rows)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def write_files(
    rows: Sequence[Row],
    results: Sequence[Result],
    setting: Setting,
    floor: Floor,
    provenance: dict[str, Any],
    directory: Path,
) -> list[Path]:
    """Write CSV, Markdown, JSON and the figure into ``directory`` and return their paths."""
    table, page = directory / "convex.csv", directory / "convex.md"
    numbers, figure = directory / "convex.json", directory / "convex.png"
    everything = {
        "configuration": setting.configuration(),
        "provenance": provenance,
        "floor": asdict(floor),
        "rows": [row.numbers() for row in rows],
        "runs": [result.to_json() for result in results],
    }
    text = f"{title(setting)}\n\n{markdown(rows)}\n" + "\n\n".join(notes(rows, setting, floor)) + "\n"
    replace_file(table, lambda path: _write_csv(rows, path))
    replace_file(page, lambda path: path.write_text(text, encoding="utf-8"))
    replace_file(numbers, lambda path: path.write_text(json.dumps(everything, indent=1), encoding="utf-8"))
    replace_file(figure, lambda path: draw(rows, results, title(setting), path))
    return [table, page, numbers, figure]


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0].numbers()))
        writer.writeheader()
        writer.writerows(row.numbers() for row in rows)
