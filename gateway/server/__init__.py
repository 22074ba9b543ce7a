"""Our side of the socket: how connections are accepted, guarded and ended."""
