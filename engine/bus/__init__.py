"""Word of what was committed, to everyone who follows the log."""
