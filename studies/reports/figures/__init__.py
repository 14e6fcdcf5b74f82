"""Figures of a study: drawn from its summary, for the page and as files."""

from studies.reports.figures.curves import draw_curves
from studies.reports.figures.drawing import Picture
from studies.reports.figures.page import figure_files, pictures, write_figures

__all__ = ["Picture", "draw_curves", "figure_files", "pictures", "write_figures"]
