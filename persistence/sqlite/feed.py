"""The feed of a log: pages in position order, and word of each commit."""

from collections.abc import Callable

from persistence.limits import READ_RECORDS_MAX, check_page
from persistence.listeners import Listeners
from persistence.protocols.feed import OnCommitted
from persistence.records import StoredRecord
from persistence.sqlite.readers import Readers
from persistence.sqlite.statements import READ_FEED


class SqliteFeed:
    """Reads of the whole log, and the listeners."""

    def __init__(self, readers: Readers) -> None:
        """Read through ``readers``."""
        self._readers = readers
        self._committed = 0
        self._listeners = Listeners()

    def begin_at(self, position: int) -> None:
        """Take everything up to ``position`` as heard of: the log has just been opened."""
        self._committed = position

    def committed(self) -> int:
        """Return the position of the newest record that listeners have heard of."""
        return self._committed

    async def read_feed(self, *, after: int = 0, limit: int = 256) -> list[StoredRecord]:
        """Return up to ``limit`` records with ``position > after``; read in a thread."""
        check_page(after, limit)
        return await self._readers.page(READ_FEED, (after, limit))

    def listen(self, on_committed: OnCommitted) -> Callable[[], None]:
        """Call ``on_committed`` with every batch from now on; return what ends it."""
        return self._listeners.listen(on_committed)

    def tell(self, records: tuple[StoredRecord, ...]) -> None:
        """Move the end of the feed and call every listener, even if one of them raises."""
        self._committed = records[-1].position
        self._listeners.tell(records)

    def tell_survivors(self) -> None:
        """Tell of records on disk that no listener has heard of: their commit seemed to fail."""
        while page := self._readers.page_now(READ_FEED, (self._committed, READ_RECORDS_MAX)):
            self.tell(tuple(page))
