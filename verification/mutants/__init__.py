"""Deliberately wrong implementations against the laws: ``python -m verification.mutants`` prints the matrix."""
