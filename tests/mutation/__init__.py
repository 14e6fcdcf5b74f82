"""Mutation testing: mutmut writes the mutants, one pytest session in memory judges them all (docs/mutation.md)."""
