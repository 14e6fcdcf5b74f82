"""The results of a search as tables, for the terminal and for the page, and as CSV."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import IO

from studies.analysis.mixed import mixed
from studies.analysis.search import Importance, Proposal, front
from studies.errors import counted
from studies.planning.search import SearchPlan
from studies.planning.search_space import LR
from studies.reports.columns import Column, Table, at, write_table
from studies.reports.console import show
from studies.reports.texts import plain

SHOWN = 10
_LOSS = Column[Proposal](
    "loss",
    lambda p: f"{p.loss:.4f}" if isfinite(p.loss) else "diverged",
    {"loss": lambda p: p.loss if isfinite(p.loss) else None},
)
_SECONDS = Column[Proposal]("seconds", lambda p: f"{p.seconds:.1f}", at("seconds"))
_RATE = Column[Proposal](LR, lambda p: f"{p.lr:.3g}", {LR: lambda p: p.lr})


def _levels(plan: SearchPlan) -> list[Column[Proposal]]:
    def of(name: str) -> Column[Proposal]:
        return Column(name, lambda p: p.choice[name], {name: lambda p: p.choice[name]}, left=True)

    return [of(name) for name in plan.space.levels]


def best(plan: SearchPlan, found: Sequence[Proposal]) -> Table[Proposal]:
    """Return the best proposals, or with seconds as an objective those that no other beats."""
    shown = front(found) if plan.timed else [proposal for proposal in found if isfinite(proposal.loss)]
    return Table((_LOSS, _SECONDS, _RATE, *_levels(plan)), shown[:SHOWN])


def trials(plan: SearchPlan, found: Sequence[Proposal]) -> Table[Proposal]:
    """Return all trials, the best first."""
    name = Column[Proposal]("trial", lambda p: p.key.removeprefix("search "), left=True)
    return Table((name, _LOSS, _SECONDS, _RATE, *_levels(plan)), found)


def write_trials(plan: SearchPlan, found: Sequence[Proposal], path: Path) -> None:
    """Write every trial as CSV, the best first."""

    def loss(place: int, seed: int) -> Column[Proposal]:
        return Column("", None, {f"loss of seed {seed}": lambda p: p.losses[place]})

    first, last = Column[Proposal]("", None, at(trial="key")), Column[Proposal]("", None, at("method"))
    losses = [loss(place, seed) for place, seed in enumerate(plan.seed_numbers)]
    write_table((first, *_levels(plan), _RATE, _LOSS, _SECONDS, *losses, last), found, path, end="\n")


def importances(matters: Importance) -> Table[tuple[str, float]]:
    """Return the shares of the variance, the largest first: the totals, then an exact one's interactions."""
    rows = sorted(matters.totals.items(), key=lambda item: -item[1])
    crossed = [(subset, share) for subset, share in matters.shares.items() if len(subset) > 1 and "seed" not in subset]
    rows += [(" x ".join(subset), share) for subset, share in sorted(crossed, key=lambda item: -item[1])[:5]]
    if matters.shares:
        noise = sum(share for subset, share in matters.shares.items() if "seed" in subset)
        rows.append(("seeds, alone and with factors", noise))
    factor = Column[tuple[str, float]]("factor", lambda row: row[0], left=True)
    return Table((factor, Column("share of the variance", lambda row: f"{row[1]:.3f}")), rows)


def answer(plan: SearchPlan, found: Sequence[Proposal], matters: Importance | str) -> list[str]:
    """Return the search's answer in sentences; the first one says so when trials of different code were compared."""
    kept = [proposal for proposal in found if isfinite(proposal.loss)]
    if not kept:
        return ["No trial has a loss: all diverged, or none finished."]
    best = kept[0]
    told = ", ".join(f"{name} {label}" for name, label in best.choice.items())
    marked = mixed(proposal.environment for proposal in found)
    sentences = [
        *([marked] if marked else []),
        f"The best of {counted(len(found), 'trial')} reached a mean validation loss of {best.loss:.4f}, at lr "
        f"{best.lr:.3g} with {told}.",
        "It was chosen among many on the same seeds, so its loss is too good: compare it on fresh seeds before "
        "believing it.",
    ]
    if diverged := len(found) - len(kept):
        told = "diverged and is" if diverged == 1 else "diverged and are"
        sentences.append(f"{diverged} of {counted(len(found), 'trial')} {told} left out of the table.")
    if isinstance(matters, str):
        return [*sentences, matters]
    if not any(matters.totals.values()):
        return [*sentences, "No factor made any difference."]
    first, *_ = sorted(matters.totals, key=lambda name: -matters.totals[name])
    how = "explains" if matters.exact else "is estimated to explain"
    return [*sentences, f"What matters most is {first}: it {how} {100 * matters.totals[first]:.0f} % of the variance."]


def print_search(plan: SearchPlan, found: Sequence[Proposal], matters: Importance | str, file: IO[str]) -> None:
    """Print the best proposals, the importances and the answer."""
    title = "No proposal beats these in both loss and seconds" if plan.timed else "The best proposals"
    show(title, best(plan, found), [], file)
    if isinstance(matters, Importance):
        show("Importance", importances(matters), [matters.note], file)
    for sentence in answer(plan, found, matters):
        print(plain(sentence), file=file)
