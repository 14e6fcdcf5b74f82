"""The page of a search: answer, best proposals, importances, set-up."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from studies.analysis.search import Importance, Proposal
from studies.errors import counted
from studies.planning.search import SearchPlan
from studies.reports.figures.style import SIZE, inline_svg, style
from studies.reports.html import replace_file, template
from studies.reports.search_tables import answer, best, importances
from studies.reports.setup import command_lines, course_in_words, given, in_words, workers


def write_search_page(
    plan: SearchPlan,
    found: Sequence[Proposal],
    matters: Importance | str,
    origin: Mapping[str, Any],
    directory: Path,
) -> None:
    """Write report.html into ``directory``."""
    known = matters if isinstance(matters, Importance) else None
    html = template("search.html").render(
        plan=plan,
        counted=counted,
        answer=answer(plan, found, matters),
        best=best(plan, found),
        importance=importances(known) if known else None,
        exact=known is not None and known.exact,
        figure=_svg(known) if known else "",
        note=known.note if known else "",
        setup=_setup(plan, origin),
        commands=command_lines(origin),
    )
    replace_file(directory / "report.html", lambda path: path.write_text(html, encoding="utf-8"))


def _svg(matters: Importance) -> str:
    with style("importance"):
        return inline_svg(bars(matters), "importance", "Bars: the share of the variance that each factor explains.")


def bars(matters: Importance) -> Figure:
    """Return the total shares as bars, the largest on top; of exact ones, what the factor explains alone is solid."""
    names = sorted(matters.totals, key=lambda name: matters.totals[name])
    figure = Figure(figsize=(SIZE[0], 0.9 + 0.36 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(names, [matters.totals[name] for name in names], color="tab:blue", alpha=0.4, label="with interactions")
    if matters.shares:
        axes.barh(names, [matters.shares[(name,)] for name in names], color="tab:blue", label="alone")
        axes.legend(loc="lower right")
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of the variance")
    return figure


def _setup(plan: SearchPlan, origin: Mapping[str, Any]) -> dict[str, str]:
    if plan.factorial:
        design = f"every combination of levels at {counted(plan.rates, 'learning rate')}, half a decade apart"
    else:
        design = (
            f"{counted(min(plan.even, plan.trials), 'trial')} drawn evenly with seed {plan.sampler_seed}, the others "
            f"by Optuna's TPE (multivariate, constant liar){', on loss and seconds at once' if plan.timed else ''}"
        )
    versions = ", ".join(f"{name} {origin[name]}" for name in ("python", "torch", "optuna", "adaqn-lab", "commit"))
    return {
        **given(origin),
        "Design": design,
        "Factors": "; ".join(f"{name}: {', '.join(levels)}" for name, levels in plan.space.levels.items()),
        "Text": f"{plan.text.name}, SHA-256 {plan.text.sha256}",
        "Task": plan.task.question,
        "Model": f"{plan.model}: {in_words(asdict(plan.architecture))}",
        "Runs": f"{counted(plan.steps, 'step')}{course_in_words(asdict(plan.schedule))}",
        "Machine": f"{origin['processor']}, {origin['system']}, {workers(origin)}",
        "Versions": versions,
    }
