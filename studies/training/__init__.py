"""Training: the loop, its data, what a run came to."""
