"""The engine: it keeps a study's cells in a storage and lets workers train them."""
