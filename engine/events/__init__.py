"""The door to the log: the published form of an event, positions and filters."""
