"""The load generator: sockets, lean clients and the two ways of offering load."""
