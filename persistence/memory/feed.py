"""The feed of a log in memory."""

from collections.abc import Callable

import trio

from persistence.errors import StoreUnavailableError
from persistence.limits import check_page
from persistence.listeners import Listeners
from persistence.memory.records_kept import KeptRecords
from persistence.protocols.feed import OnCommitted
from persistence.records import StoredRecord


class MemoryFeed:
    """Reads of the whole log, and word of each commit."""

    def __init__(self, kept: KeptRecords) -> None:
        """Read from ``kept``."""
        self.is_open = False
        self._kept = kept
        self._committed = 0
        self._listeners = Listeners()

    def open(self) -> None:
        """Begin at the end of what is kept."""
        self._committed = len(self._kept.by_position)
        self.is_open = True

    def check_open(self) -> None:
        """Raise ``StoreUnavailableError`` unless the store is running."""
        if not self.is_open:
            message = "the store is closed"
            raise StoreUnavailableError(message)

    def committed(self) -> int:
        """Return the position of the newest record that listeners have heard of."""
        return self._committed

    async def read_feed(self, *, after: int = 0, limit: int = 256) -> list[StoredRecord]:
        """Return up to ``limit`` records with ``position > after``."""
        check_page(after, limit)
        await trio.lowlevel.checkpoint()
        self.check_open()
        page = self._kept.by_position[after : after + limit]
        return [self._kept.seen(record) for record in page]

    def listen(self, on_committed: OnCommitted) -> Callable[[], None]:
        """Call ``on_committed`` with every batch from now on; return what ends it."""
        return self._listeners.listen(on_committed)

    def tell(self, records: tuple[StoredRecord, ...]) -> None:
        """Move the end of the feed and call every listener, even if one of them raises."""
        self._committed = records[-1].position
        self._listeners.tell(records)
