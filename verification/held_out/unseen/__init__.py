"""Wrong parts that no law was written for, and right ones that look odd, of every role."""
