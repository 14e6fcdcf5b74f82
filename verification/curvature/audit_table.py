"""An audit as text."""

from __future__ import annotations

from collections.abc import Sequence

from verification.curvature.audit_summary import Estimate, Stretch, Summary
from verification.curvature.window_row import WindowRow

_HEADINGS = ("step", "run", "pair", "s'y", "s'Bs", "c along s", "c", "angle", "downhill", "after", "v'Hv", "asymmetry")
_HEAD = "  {:>6} {:>4} {:>8} {:>9} {:>9} {:>9} {:>8} {:>6} {:>8} {:>6} {:>7} {:>9}"
_EXPLAINED = (
    "  c = y'Bs / y'y fits B s best; along s it is s'Bs / s'y; the angle is between y and B s, in degrees;",
    "  then cosines: of g and H g, of g and the step before it, the least of v and H v; and |u'Hv - v'Hu|.",
)


def text(rows: Sequence[WindowRow], summary: Summary) -> str:
    """A line for each window and run, then stretches of training, then the sentence."""
    head = f"{summary.name} against {summary.matrix}: {summary.windows} window(s) of {summary.runs} run(s)"
    lines = [_HEAD.format(*_HEADINGS), *map(_row, rows), *_EXPLAINED] if rows else []
    parts = [_stretch(each) for each in (*summary.thirds, summary.whole)]
    return "\n".join([head, *lines, *parts, *_operator(summary), summary.sentence])


def _row(row: WindowRow) -> str:
    verdict = "admitted" if row.admitted else "refused"
    operator = f"{row.descent:>8.2f} {row.after_step:>6.2f} {row.definiteness:>7.0e} {row.asymmetry:>9.0e}"
    return (
        f"  {row.step:>6} {row.run:>4} {verdict:>8} {row.s_y:>9.2e} {row.s_bs:>9.2e} {row.along:>9.3g} "
        f"{row.scale:>8.3g} {row.angle:>6.1f} {operator}"
    )


def _stretch(part: Stretch) -> str:
    steps = f"steps {part.first} to {part.last}"
    angle = f"{part.angle.value:.1f} ({max(part.angle.low, 0.0):.1f} to {min(part.angle.high, 180.0):.1f})"
    return f"  {part.name:<6} {steps:<18} c {_told(part.scale):<24} along s {_told(part.along):<24} angle {angle}"


def _told(found: Estimate) -> str:
    return f"{found.value:.3g} ({found.low:.3g} to {found.high:.3g})"


def _operator(summary: Summary) -> list[str]:
    definite = "positive definite" if summary.definiteness > 0 else "NOT positive definite"
    return [
        f"  -H g is downhill in {summary.downhill} of {summary.windows} windows, whose last step went beyond the "
        f"loss's minimum along it in {summary.beyond}; {summary.admitted} pairs admitted",
        f"  H is {definite} on all probes (least cosine {summary.definiteness:.1e}), its asymmetry at most "
        f"{summary.asymmetry:.1e}",
    ]
