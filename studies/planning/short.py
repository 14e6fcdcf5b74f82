"""Runs that end before a method can do what it is compared for."""

from adaqn_lab import Recipe
from studies.errors import counted
from studies.planning.experiment import Experiment
from studies.planning.search import SearchPlan
from studies.planning.study import Study


def no_pairs(study: Study) -> str:
    """Return which recipes make no pair, since a run is shorter than two of their windows; empty for none."""
    if isinstance(study, Experiment):
        steps, methods = study.budget.steps, {name: variant.method for name, variant in study.chosen.items()}
    elif isinstance(study, SearchPlan):
        steps, methods = study.steps, {study.base: study.space.base.variant.method}
    else:
        return ""
    windows = {
        name: method.cadence.every
        for name, method in methods.items()
        if isinstance(method, Recipe) and method.pairs is not None and steps < 2 * method.cadence.every
    }
    if not windows:
        return ""
    names, longest = ", ".join(windows), max(windows.values())
    makes, are = "makes" if len(windows) == 1 else "make", "is" if steps == 1 else "are"
    return f"{counted(steps, 'step')} {are} fewer than two windows of {longest}: {names} {makes} no pair."
