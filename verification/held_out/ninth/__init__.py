"""The ninth set of wrong and of unusual parts."""
