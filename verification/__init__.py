"""The laws of stochastic quasi-Newton methods, as checks which anyone runs on their own parts."""

from verification.law import Group, Law, Property, Subject, law
from verification.laws import LAWS

__all__ = ["LAWS", "Group", "Law", "Property", "Subject", "law"]
