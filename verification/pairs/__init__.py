"""Pair generators: a part a file."""
