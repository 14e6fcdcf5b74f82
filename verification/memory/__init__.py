"""Memories: a part a file."""
