"""The fourth set of strangers' parts: wrong ones, and unusual ones which are right."""
