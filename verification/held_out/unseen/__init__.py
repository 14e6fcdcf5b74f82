"""Wrong parts that no law was tuned on."""
