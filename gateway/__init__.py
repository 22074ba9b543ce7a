"""The outside world: sockets, HTTP, argv, environment."""
