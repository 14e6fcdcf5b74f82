"""The operator H on plain arrays."""
