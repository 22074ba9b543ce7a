"""The shape of the house, read from the source: nothing of it is imported."""
