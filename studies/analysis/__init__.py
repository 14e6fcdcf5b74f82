"""What the results say: statistics, summaries, conclusions."""
