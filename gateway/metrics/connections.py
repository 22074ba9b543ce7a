"""The TCP connections that are open."""

from collections import Counter

import trio


class OpenConnections:
    """Counts connections; ``count`` is ``None`` as long as no server counts here."""

    def __init__(self) -> None:
        """Start without a server."""
        self.count: int | None = None
        self.refusals: Counter[str] = Counter()
        """Connections that were not taken, by the reason."""
        self._changed: trio.Event | None = None

    def begin(self) -> None:
        """Count from now on: a server accepts connections."""
        self.count = 0

    def opened(self) -> None:
        """Count one more."""
        self.count = (self.count or 0) + 1

    def closed(self) -> None:
        """Count one less."""
        self.count = (self.count or 0) - 1
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def refused(self, why: str) -> None:
        """Count one that was turned away."""
        self.refusals[why] += 1

    async def changed(self) -> None:
        """Wait until one of them has closed."""
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()
