"""Scalings: a part a file."""
