"""The page of the convex comparison: answer, gaps, curves, table, set-up."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from studies.analysis.convex import CLOSE, Row
from studies.convex.problem import DATA
from studies.convex.study import ConvexStudy, MethodResult
from studies.errors import counted
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.reports.columns import Table
from studies.reports.figures.convex import convex_pictures, keys
from studies.reports.figures.drawing import by_section
from studies.reports.html import template
from studies.reports.setup import command_lines, given, in_words, workers

QUESTION = "Which methods come nearest to the optimum of a convex problem?"


def answer(rows: Sequence[Row], setting: ConvexStudy) -> list[str]:
    """Return the sentences: who came nearest, and how many came near enough."""
    kept = [row for row in rows if isfinite(row.median)]
    if not kept:
        return ["No method has a gap: all diverged, or none finished."]
    best, *others = kept
    second = f"; next is {others[0].name} with {others[0].median:.1e}" if others else ""
    close = sum(row.close for row in rows)
    return [
        f"On logistic regression with {_data(setting)}, {best.name} came nearest to the optimum: a median gap of "
        f"{best.median:.1e} after {counted(setting.epochs, 'epoch')}{second}.",
        f"{close} of {counted(len(rows), 'method')} came within {CLOSE:g} of it, relative to its value.",
    ]


def page(
    rows: Sequence[Row], results: Sequence[MethodResult], setting: ConvexStudy, table: Table[Row],
    notes: Sequence[str], origin: Mapping[str, Any], mixed: str,
) -> str:  # fmt: skip
    """Return the page as HTML."""
    return template("convex.html").render(
        question=QUESTION,
        answer=[*([mixed] if mixed else []), *answer(rows, setting)],
        lead="Every method tuned its learning rate on the same grid, then ran the same "
        f"{counted(setting.seeds, 'seed')}.",
        keys=keys(rows),
        figures=by_section(convex_pictures(rows, results)),
        table=table,
        notes=notes,
        setup=_setup(setting, origin),
        commands=command_lines(origin),
    )


def _data(setting: ConvexStudy) -> str:
    return f"the {DATA[setting.data].title} data"


def _setup(setting: ConvexStudy, origin: Mapping[str, Any]) -> dict[str, str]:
    tuning, seeds = (counted(n, "seed") for n in (setting.tuning_seeds, setting.seeds))
    versions = {name: value for name in ("python", "torch", "scipy", "scikit-learn", "optuna", "adaqn-lab", "commit")
                if (value := origin.get(name))}  # fmt: skip
    return {
        **given(origin),
        "Problem": f"logistic regression, lambda = 1/m, {_data(setting)}: {setting.problem.examples} examples",
        "Runs": f"{counted(setting.epochs, 'epoch')} in batches of {setting.samples.batch}, "
        f"{'rates falling linearly to 0' if setting.decay else 'constant rates'}",
        "Seeds": f"tuning: {tuning} from {FIRST_TUNING_SEED} on; evaluation: {seeds} from {FIRST_EVALUATION_SEED} on",
        "Machine": f"{origin['processor']}, {origin['system']}, {workers(origin)}",
        "Versions": in_words(versions),
    }
