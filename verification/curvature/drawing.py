"""Figures: panels side by side, small, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from verification.roles import BadSubjectError

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": "x-small",
}


@contextmanager
def panels(count: int, path: str | Path, salt: str) -> Iterator[Any]:
    """The axes of a row of panels, to draw on; the figure is written at the end, as the path's ending says.

    Raises BadSubjectError where that cannot be.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {**_STYLE, "svg.hashsalt": salt}
    with rc_context(settings):
        figure = Figure(figsize=(4.0 * count, 3.3), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure.subplots(1, count)
        try:
            figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error).partition(" (")[0]
            raise BadSubjectError(f"{path} cannot be drawn ({reason}); give a path for a .svg or .png file.") from error
