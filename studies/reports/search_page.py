"""The page of a search: answer, best proposals, importances, set-up."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studies.analysis.search import Importance, Proposal
from studies.analysis.words import model_and_task
from studies.errors import counted
from studies.planning.search import SearchPlan
from studies.reports.figures.drawing import by_section
from studies.reports.figures.search import search_pictures
from studies.reports.html import replace_file, template
from studies.reports.search_tables import answer, best, importances, trials
from studies.reports.setup import command_lines, course_in_words, given, in_words, workers

QUESTION = "Which design choices of adaQN matter most, and which combination is best?"


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
        question=QUESTION,
        plan=plan,
        where=model_and_task(plan.model, plan.task_name, plan.text.name),
        counted=counted,
        answer=answer(plan, found, matters),
        best=best(plan, found),
        trials=trials(plan, found),
        importance=importances(known) if known else None,
        exact=known is not None and known.exact,
        figures=by_section(search_pictures(plan, found, known)),
        setup=_setup(plan, origin),
        commands=command_lines(origin),
    )
    replace_file(directory / "report.html", lambda path: path.write_text(html, encoding="utf-8"))


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
