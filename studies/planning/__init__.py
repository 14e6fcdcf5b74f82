"""Plans: which runs a study consists of, decided by its configuration and by results alone."""
