"""The convex comparison's table on a terminal and as Markdown, its numbers as CSV and JSON, its figure and page."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import IO, Any

from studies.analysis.convex import Row
from studies.convex.problem import DATA, Floor
from studies.convex.study import ConvexStudy, MethodResult
from studies.errors import counted
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.reports.columns import Column, Table, at, fixed, numbers, rate, write_table
from studies.reports.console import show
from studies.reports.convex_page import page
from studies.reports.figures.convex import draw
from studies.reports.html import replace_file
from studies.reports.markdown import table
from studies.reports.texts import plain
from studies.training.costs import LOSS_COST, PRODUCT_COST

COLUMNS: tuple[Column[Row], ...] = (
    Column("method", lambda row: row.name, at(method="name"), left=True),
    Column("best lr", lambda row: rate(row.lr, row.at_edge), at("lr", "at_edge")),
    Column("gap", lambda row: _gap(row), {"gap_median": lambda row: row.median if isfinite(row.median) else None}),
    Column(
        "range over seeds",
        lambda row: f"{row.kept[0]:.1e} to {row.kept[-1]:.1e}" if row.kept else None,
        {"gap_low": lambda row: min(row.kept, default=None), "gap_high": lambda row: max(row.kept, default=None)},
    ),
    Column("within 1e-3", None, {"within_1e-3": lambda row: row.close}),
    Column("gradients", lambda row: fixed(row.gradients, ".0f"), at("gradients")),
    Column("products", lambda row: fixed(row.products, ".0f"), at("products")),
    Column("losses", lambda row: fixed(row.losses, ".0f"), at("losses")),
    Column("passes", lambda row: fixed(row.passes, ".0f"), at("passes")),
    Column("seconds", lambda row: fixed(row.seconds, ".2f"), at("seconds")),
    Column(
        "admitted / skipped",
        lambda row: None if row.admitted is None else f"{row.admitted:.0f} / {row.skipped:.0f}",
        at("admitted", "skipped"),
    ),
    Column("roll-backs", lambda row: fixed(row.rollbacks, ".1f"), at("rollbacks")),
    Column("diverged", lambda row: f"{row.diverged}/{row.runs}", at("runs", "diverged")),
)


def _gap(row: Row) -> str:
    return f"{row.median:.1e}" + ("" if row.close else " >") if isfinite(row.median) else "diverged >"


def _in_file() -> tuple[Column[Row], ...]:
    """Return the columns in the order of the file, which has the rate after the gaps."""
    return (COLUMNS[0], *COLUMNS[2:5], COLUMNS[1], *COLUMNS[5:])


def notes(rows: Sequence[Row], setting: ConvexStudy, floor: Floor, mixed: str = "") -> list[str]:
    """Return the sentences that a reader of the table needs; ``mixed`` tells of runs of different code."""
    far = sum(not row.close for row in rows)
    sampled = floor.noise / (setting.epochs * DATA[setting.data].load().examples) / floor.value
    found = [
        f"gap = (f - f*) / f* at the last iterate, median over {counted(setting.seeds, 'seed')} from "
        f"{FIRST_EVALUATION_SEED} on, each rate tuned on {counted(setting.tuning_seeds, 'seed')} from "
        f"{FIRST_TUNING_SEED} on; f* = {floor.value:.10f} by L-BFGS-B in {floor.evaluations} evaluations (largest "
        f"entry of its gradient: {floor.gradient:.0e}).",
        f"> The gap is above 1e-3: {far} of {counted(len(rows), 'method')}. For comparison: the best estimate from as "
        f"many examples drawn with replacement has an expected gap of about {sampled:.1e}, tr(H^-1 G) / (2 N f*).",
        "gradients, products and losses count evaluations, steps included; passes is all that work in gradients of "
        f"the whole data (a product as {PRODUCT_COST:g}, a loss as {LOSS_COST:g}). Counts and seconds are means a run.",
    ]
    if any(row.at_edge for row in rows):
        found.append("* The best rate lies on the edge of its grid, one decade extended: a better one may lie beyond.")
    return [*([mixed] if mixed else []), *found]


def title(setting: ConvexStudy) -> str:
    """Return the table's title."""
    schedule = "rates falling linearly to 0" if setting.decay else "constant rates"
    return (
        f"Logistic regression on {DATA[setting.data].title}, lambda = 1/m, {counted(setting.epochs, 'epoch')} in "
        f"batches of {setting.samples.batch}, {schedule}, {counted(setting.seeds, 'seed')}"
    )


def print_convex(rows: Sequence[Row], setting: ConvexStudy, floor: Floor, file: IO[str], mixed: str = "") -> None:
    """Print the table and its notes."""
    show(title(setting), Table(COLUMNS, rows), notes(rows, setting, floor, mixed), file)


def write_files(
    rows: Sequence[Row],
    results: Sequence[MethodResult],
    setting: ConvexStudy,
    floor: Floor,
    provenance: dict[str, Any],
    directory: Path,
    mixed: str = "",
) -> list[Path]:
    """Write page, CSV, Markdown, JSON and the figure into ``directory`` and return their paths."""
    names = ("report.html", "convex.csv", "convex.md", "convex.json", "convex.png")
    report, csv, markdown, values, figure = paths = [directory / name for name in names]
    told = notes(rows, setting, floor, mixed)
    everything = {
        "configuration": setting.configuration(),
        "provenance": provenance,
        "floor": asdict(floor),
        "rows": [numbers(_in_file(), row) for row in rows],
        "runs": [result.to_json() for result in results],
    }
    # The methods' names are the library's own, and stand as they are.
    lines = [title(setting), "", *table(Table(COLUMNS, rows), plain), "\n\n".join(told)]
    text = "\n".join(lines) + "\n"
    html = page(rows, results, setting, Table(COLUMNS, rows), told, provenance, mixed)
    replace_file(report, lambda path: path.write_text(html, encoding="utf-8"))
    replace_file(csv, lambda path: write_table(_in_file(), rows, path))
    replace_file(markdown, lambda path: path.write_text(text, encoding="utf-8"))
    replace_file(values, lambda path: path.write_text(json.dumps(everything, indent=1), encoding="utf-8"))
    replace_file(figure, lambda path: draw(rows, results, title(setting), path))
    return paths
