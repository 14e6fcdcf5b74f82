"""Whole methods."""
