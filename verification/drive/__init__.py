"""A method's own steps."""
