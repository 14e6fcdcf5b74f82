"""What a report on pairs comes to, in one sentence."""

from __future__ import annotations

from verification.curvature.check import SURE, PairsReport
from verification.curvature.pair_directions import THREE_DIGITS, Directions

_FEW = 2.0
"""Right digits below which float32 is not worth a step."""


def judgement(report: PairsReport) -> str:
    """What is wrong, the worst first; or that nothing is."""
    if report.directions is None or report.refused or report.unsure:
        return _of_signs(report)
    return _of_rounding(report, report.directions) or _sound(report, report.directions)


def _of_signs(report: PairsReport) -> str:
    if report.refused:
        count = len(report.pairs.S)
        pairs = "this pair" if count == 1 else f"these {count} pairs"
        return (
            f"Not sound: H of {pairs} is not positive definite, since s'y <= 0 in {_listed(report.refused)} (smallest "
            f"cosine {report.c_min:.2g}), which adaqn_lab's memories refuse."
        )
    return (
        f"Not sound: the cosine of {_listed(report.unsure)} is below {SURE:.0f} roundoffs of {report.pairs.dtype}, so "
        "that the sign of s'y is as good as unknown."
    )


def _of_rounding(report: PairsReport, found: Directions) -> str | None:
    apart = f"implementations differ by {max(found.ours, found.scipy):.1e} of |H v|"
    if not found.agree:
        return f"Not sound: {apart}, and rounding explains {found.allowed:.1e} only."
    if not found.meaningful:
        return f"Not sound: cosines down to {report.c_min:.1e} leave nothing of H v in float64, {apart}."
    return None


def _sound(report: PairsReport, found: Directions) -> str:
    assert report.span is not None  # there are directions
    low, high = report.span.eigenvalues[[0, -1]]
    spectrum = f"H is positive definite, its eigenvalues are {low:.2g} to {high:.2g} times those of H0"
    digits = f"float32 keeps {found.digits_ours:.1f} of 7.2 digits"
    if found.digits_ours < _FEW:
        return f"Sound in float64 only: {spectrum}, and {digits}."
    if found.scipy > THREE_DIGITS:
        return f"Sound: {spectrum}, and {digits}; but SciPy's operator errs by {found.scipy:.1g} of |H v|."
    return f"Sound: {spectrum}, {digits}, and three implementations agree on H v."


def _listed(numbers: tuple[int, ...]) -> str:
    """Pair 3; pairs 3, 4, 5; at most six by their numbers."""
    shown = ", ".join(map(str, numbers[:6])) + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")
    return f"pair {shown}" if len(numbers) == 1 else f"pairs {shown}"
