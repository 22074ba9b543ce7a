"""The TCP connections that are open."""


class OpenConnections:
    """Counts connections; ``count`` is ``None`` as long as no server counts here."""

    def __init__(self) -> None:
        """Start without a server."""
        self.count: int | None = None

    def begin(self) -> None:
        """Count from now on: a server accepts connections."""
        self.count = 0

    def opened(self) -> None:
        """Count one more."""
        self.count = (self.count or 0) + 1

    def closed(self) -> None:
        """Count one less."""
        self.count = (self.count or 0) - 1
