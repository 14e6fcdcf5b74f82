"""Figures of a study: drawn from its summary, as inline SVG for the page and as files."""

from studies.reports.figures.curves import draw_curves
from studies.reports.figures.page import Picture, pictures, write_figures

__all__ = ["Picture", "draw_curves", "pictures", "write_figures"]
