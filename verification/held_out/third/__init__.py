"""Wrong parts, and right ones that look odd, of every role."""
