"""The design choices, one question a file."""
