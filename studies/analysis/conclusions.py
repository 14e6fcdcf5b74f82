"""The answer to a study's question, in sentences that say no more than its tests do."""

from collections.abc import Sequence

from studies.analysis.row import Row
from studies.analysis.statistics import LEVEL, Comparison
from studies.analysis.summary import Summary
from studies.errors import counted


def answer(summary: Summary) -> list[str]:
    """Return the sentences: which variants are better or worse in test loss, and what cannot be told.

    The first ones say so when the study is not finished, or runs of different code were compared.
    """
    return [*summary.warnings, *_answer(summary)]


def _answer(summary: Summary) -> list[str]:
    reference = summary.row(summary.reference)
    compared = [(row, row.test) for row in summary.rows if row.test is not None]
    if reference is None or reference.test_loss is None or not compared:
        return [f"There is no answer yet: {summary.reference} and another variant need finished evaluation runs."]
    better = sorted((pair for pair in compared if pair[1].is_clear and pair[1].mean < 0), key=_mean)
    worse = sorted((pair for pair in compared if pair[1].is_clear and pair[1].mean > 0), key=_mean)
    unclear = [row for row, test in compared if not test.is_clear]
    where = summary.where
    most = max(test.count for _, test in compared)
    least = min(1.0, len(compared) * 2.0 ** (1 - most))  # all seeds agree, Holm's factor for the smallest p
    same = [row for row, test in compared if test.is_same]
    alike = [f"{_names([*same, reference])} gave the same losses."] if same else []
    if least >= LEVEL:
        told = (
            f"With {counted(most, 'seed')} and {counted(len(compared), 'comparison')} no difference can be significant"
        )
        others = [pair for pair in compared if not pair[1].is_same]
        if others:
            alike = [f"{told} (the least p is {least:.2g}): on {where}, {_nearest(others, summary.reference)}.", *alike]
        return [*alike, *_caveats(summary)]
    sentences = [*_better(better, summary.reference, where, summary.unit.removeprefix(" in")), *alike]
    if worse:
        sentences.append(f"Worse than {summary.reference}: {_list(worse)}.")
    if unclear := [row for row in unclear if row not in same]:
        sentences.append(
            f"No difference to {summary.reference} could be shown for {_names(unclear)}; that is no proof of equality."
        )
    return sentences + _caveats(summary)


def _nearest(pairs: Sequence[tuple[Row, Comparison]], reference: str) -> str:
    """Return which variant had the least test loss, or came nearest to the reference which had it."""
    row, test = min(pairs, key=_mean)
    if test.mean < 0:
        return f"of the variants {row.variant} had the least test loss, {_told(test, reference)}"
    return f"no variant was better than {reference}; the nearest was {row.variant}, {_told(test, reference)}"


def _better(better: list[tuple[Row, Comparison]], reference: str, where: str, unit: str) -> list[str]:
    if not better:
        return [f"On {where}, no variant could be shown to be better than {reference} in test loss."]
    (best, test), *others = better
    by = f"by {abs(test.mean):.4f}{unit} ({_shown(test)})"
    first = f"On {where}, {best.variant} was better than {reference} in test loss, {by}."
    return [first, *([f"Better than {reference} too: {_list(others)}."] if others else [])]


def _told(test: Comparison, reference: str) -> str:
    """Return ``0.0502 below ADAQN (95 % interval 0.03 to 0.07, p = 0.014 after Holm's correction, ...)``."""
    return f"{abs(test.mean):.4f} {'below' if test.mean < 0 else 'above'} {reference} ({_shown(test)})"


def _shown(test: Comparison) -> str:
    """Return what shows a difference: interval and p as the tables have them, and how many seeds agree."""
    said = []
    if test.low is not None and test.high is not None:
        low, high = (-test.high, -test.low) if test.mean < 0 else (test.low, test.high)
        said.append(f"95 % interval {low:.4f} to {high:.4f}")
    if (p := test.p_in_words) is not None:
        said.append(f"p {p if p.startswith('<') else f'= {p}'} after Holm's correction")
    agreeing = test.better if test.mean < 0 else test.worse
    said.append(f"{agreeing} of {counted(test.count, 'seed')} {'agrees' if test.count == 1 else 'agree'}")
    return ", ".join(said)


def _caveats(summary: Summary) -> list[str]:
    edges = [row for row in summary.rows if row.at_edge]
    diverged = [row for row in summary.rows if row.diverged]
    found = []
    if edges:
        rates = "rate of {} lies" if len(edges) == 1 else "rates of {} lie"
        found.append(
            f"The best {rates.format(_names(edges))} on the edge of what was tried: better ones may lie beyond."
        )
    fields = [
        f"the {' and the '.join(row.fields_at_edge)} of {row.variant}" for row in summary.rows if row.fields_at_edge
    ]
    if fields:
        found.append(f"The best found for {_joined(fields)} lies at the edge of its range: better ones may lie beyond.")
    if diverged:
        told = ", ".join(f"{row.variant} ({row.diverged} of {row.runs})" for row in diverged)
        found.append(f"Evaluation runs diverged and are left out of the losses: {told}.")
    return found


def _mean(pair: tuple[Row, Comparison]) -> float:
    return pair[1].mean


def _list(pairs: Sequence[tuple[Row, Comparison]]) -> str:
    return _joined([f"{row.variant} ({test.mean:+.4f})" for row, test in pairs])


def _names(rows: Sequence[Row]) -> str:
    return _joined([row.variant for row in rows])


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
