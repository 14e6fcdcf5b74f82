"""Identities and inequalities of the field."""
