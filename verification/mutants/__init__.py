"""Deliberately wrong implementations, each named by its sin: what the laws must catch."""
