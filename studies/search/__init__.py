"""A joint search over all design choices: a sampler's, or a complete factorial."""
