"""What happens: actors, the log, the bus and the seven features. Knows trio; never HTTP, SQL or argv."""
