"""What happens: actors, log, bus and features. Knows trio; never HTTP, SQL or argv."""
