"""Equality with textbook forms and with SciPy."""
