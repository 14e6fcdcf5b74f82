"""Two ways to the same result."""
