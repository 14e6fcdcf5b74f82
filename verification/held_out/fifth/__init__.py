"""Parts of a stranger, the fifth set: wrong ones, and unusual ones that are right."""
