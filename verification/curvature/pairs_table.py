"""A report on pairs as text."""

from __future__ import annotations

import numpy as np

from verification.curvature.check import PairsReport


def text(report: PairsReport) -> str:
    """Pair by pair, then what they make together, then the judgement."""
    return "\n".join([_head(report), *_pairs(report), *_together(report), report.judgement])


def _head(report: PairsReport) -> str:
    m, n = report.pairs.S.shape
    return f"{m} pair(s) of {n} numbers in {report.pairs.dtype}, the oldest first; H0 = {report.pairs.h0_said}"


def _pairs(report: PairsReport) -> list[str]:
    headings = ("pair", "s'y", "|s|", "|y|", "cosine", "least", "most")
    lines = ["  {:>4}  {:>10}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}".format(*headings)]
    columns = zip(report.s_y, report.s_s, report.y_y, report.cosines, strict=True)
    for number, (s_y, s_s, y_y, cosine) in enumerate(columns, start=1):
        note = "  refused" if number in report.refused else "  unsure" if number in report.unsure else ""
        least, most = (s_y / s_s if s_s else np.nan), (y_y / s_y if s_y else np.nan)
        lines.append(
            f"  {number:>4}  {s_y:>10.3g}  {np.sqrt(s_s):>9.3g}  {np.sqrt(y_y):>9.3g}  {cosine:>9.2g}"
            f"  {least:>9.3g}  {most:>9.3g}{note}"
        )
    return [*lines, "  least = s'y / s's and most = y'y / s'y bound the curvature that a pair tells"]


def _together(report: PairsReport) -> list[str]:
    """What is known of H of the pairs that a memory would hold."""
    span, found, kept = report.span, report.directions, report.kept
    if span is None or found is None or kept is None:
        return []
    eigenvalues, n = span.eigenvalues, span.n
    least, most = kept.h0.min() * eigenvalues[0], kept.h0.max() * eigenvalues[-1]
    bounds = "eigenvalues of H" if kept.uniform else "bounds on the eigenvalues of H"
    c_min = report.cosines[np.array(kept.numbers) - 1].min()
    rows = {
        "smallest cosine c_min": f"{c_min:.3g}; one pair multiplies rounding "
        f"by 1 / c, the first loop by {span.growth:.3g} in all",
        "positive definite": f"{'yes' if eigenvalues[0] > 0 else 'no'}; eigenvalues of H0^-1 H are "
        f"{eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}, {max(n - len(eigenvalues), 0)} of {n} are 1",
        bounds: f"{least:.3g} to {most:.3g}, condition number {most / least:.3g}",
        "newest secant": f"|H y - s| / |s| = {found.secant:.1e}",
        "float32": f"keeps {found.digits_ours:.1f} of 7.2 digits (Window), {found.digits_textbook:.1f} (two-loop)",
        "H v in float64": f"from the textbook two-loop: Window {found.ours:.1e}, SciPy {found.scipy:.1e}; rounding "
        f"explains {found.allowed:.1e}",
    }
    left_out = f"of the {len(kept.S)} pair(s) with s'y > 0:" if report.refused else "together:"
    return [left_out, *(f"  {name:<30}  {told}" for name, told in rows.items())]
