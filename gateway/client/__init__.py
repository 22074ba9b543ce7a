"""The Python client: what a program on trio needs to follow a Parley server."""
