"""Steppers: a part a file."""
