"""The engine's side of the log: events in, sealed records out, and the one place of positions."""
