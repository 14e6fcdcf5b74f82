"""Parts of a seventh stranger: wrong ones, and right ones that look odd."""
