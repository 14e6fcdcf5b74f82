"""The first set of strangers' wrong parts, and right ones that look odd."""
