"""Textbook forms in plain NumPy float64, one screen each: what the laws compare with."""
