"""The results of a search as tables, for the terminal and for the page."""

from collections.abc import Sequence
from math import isfinite
from typing import IO

from rich.table import Table
from rich.text import Text

from studies.analysis.search import Importance, Proposal, front
from studies.planning.search import SearchPlan
from studies.reports.console import show

SHOWN = 10


def best_rows(plan: SearchPlan, found: Sequence[Proposal]) -> list[tuple[str, ...]]:
    """Return the cells of the best proposals, or with seconds as an objective of those that no other beats."""
    shown = front(found) if plan.timed else [proposal for proposal in found if isfinite(proposal.loss)]
    return [
        (f"{p.loss:.4f}", f"{p.seconds:.1f}", f"{p.lr:.3g}", *(p.choice[name] for name in plan.space.levels))
        for p in shown[:SHOWN]
    ]


def best_headings(plan: SearchPlan) -> tuple[str, ...]:
    """Return the headings of `best_rows`."""
    return ("loss", "seconds", "lr", *plan.space.levels)


def importance_rows(matters: Importance) -> list[tuple[str, str]]:
    """Return (what, share of the variance), the largest first: the totals, then an exact one's interactions."""
    totals = sorted(matters.totals.items(), key=lambda item: -item[1])
    rows = [(name, f"{share:.3f}") for name, share in totals]
    crossed = [(subset, share) for subset, share in matters.shares.items() if len(subset) > 1 and "seed" not in subset]
    rows += [(" x ".join(subset), f"{share:.3f}") for subset, share in sorted(crossed, key=lambda item: -item[1])[:5]]
    noise = sum(share for subset, share in matters.shares.items() if "seed" in subset)
    return rows + ([("seeds, alone and with factors", f"{noise:.3f}")] if matters.shares else [])


def answer(plan: SearchPlan, found: Sequence[Proposal], matters: Importance | str) -> list[str]:
    """Return the search's answer in sentences."""
    kept = [proposal for proposal in found if isfinite(proposal.loss)]
    if not kept:
        return ["No trial has a loss: all diverged, or none finished."]
    best = kept[0]
    told = ", ".join(f"{name} {label}" for name, label in best.choice.items())
    sentences = [
        f"The best of {len(found)} trials, with a mean validation loss of {best.loss:.4f}, has lr {best.lr:.3g} and "
        f"{told}. It was chosen among many on the same seeds, so its loss is too good: compare it on fresh seeds "
        "before believing it."
    ]
    if isinstance(matters, str):
        return [*sentences, matters]
    first, *_ = sorted(matters.totals, key=lambda name: -matters.totals[name])
    how = "explains" if matters.exact else "is estimated to explain"
    return [*sentences, f"What matters most is {first}: it {how} {100 * matters.totals[first]:.0f} % of the variance."]


def print_search(plan: SearchPlan, found: Sequence[Proposal], matters: Importance | str, file: IO[str]) -> None:
    """Print the best proposals, the importances and the answer."""
    table = _table("No proposal beats these in both loss and seconds" if plan.timed else "The best proposals")
    for heading in best_headings(plan):
        table.add_column(heading, justify="right" if heading in ("loss", "seconds", "lr") else "left", overflow="fold")
    for cells in best_rows(plan, found):
        table.add_row(*map(Text, cells))
    show(table, [], file)
    if isinstance(matters, Importance):
        table = _table("Importance")
        table.add_column("factor")
        table.add_column("share of the variance", justify="right")
        for row in importance_rows(matters):
            table.add_row(*map(Text, row))
        show(table, [matters.note], file)
    for sentence in answer(plan, found, matters):
        print(sentence, file=file)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", caption_justify="left")
