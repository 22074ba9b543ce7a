"""Records, cursors and time."""
