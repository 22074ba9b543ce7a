"""A follower of one stream or of the whole environment: live while it keeps up, else from the log.

It gets every event behind its start exactly once and in order, whatever mix of the two it takes.
"""

from collections.abc import Callable
from typing import Protocol

from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.event import Event
from engine.log.log import Log
from persistence.records import StoredRecord, Stream

Sink = Callable[[Event], bool]
"""Takes an event, or returns ``False`` when it has no room; then nothing of it was taken."""


class Source(Protocol):
    """What is followed: how far an event is in it, and how to read on."""

    def place(self, event: Event | StoredRecord) -> int:
        """Return the number the follower counts by."""

    async def read(self, *, after: int, limit: int) -> list[Event]:
        """Return committed events behind ``after``."""


class StreamSource:
    """One stream, counted by version."""

    def __init__(self, log: Log, stream: Stream) -> None:
        """Read ``stream`` from ``log``."""
        self._log = log
        self.stream = stream

    def place(self, event: Event | StoredRecord) -> int:
        """Return the version."""
        return event.version

    async def read(self, *, after: int, limit: int) -> list[Event]:
        """Return the next events of the stream."""
        return await self._log.read(self.stream, after=after, limit=limit)


class FeedSource:
    """The whole environment, counted by position."""

    def __init__(self, log: Log) -> None:
        """Read the feed of ``log``."""
        self._log = log

    def place(self, event: Event | StoredRecord) -> int:
        """Return the position."""
        return event.position

    async def read(self, *, after: int, limit: int) -> list[Event]:
        """Return the next events of the environment."""
        return await self._log.read_feed(after=after, limit=limit)


class Follower:
    """Hands the events of a source to a sink, from a place on."""

    __slots__ = ("_newest", "_page_records", "_sink", "_source", "_wake", "live", "place")

    def __init__(self, source: Source, sink: Sink, *, after: int, wake: Callable[[], None]) -> None:
        """Start behind ``after``, not live: ``catch_up`` makes it so.

        ``wake`` is called when the follower falls out of live mode and wants ``catch_up`` called.
        """
        self._source = source
        self._sink = sink
        self._wake = wake
        self._newest = 0
        self._page_records = REPLAY_PAGE_RECORDS
        self.place = after
        self.live = False

    def publish(self, event: Event) -> None:
        """Hear of a committed event: pass it on while live, else remember that there is more."""
        place = self._source.place(event)
        self._newest = place
        if not self.live or place <= self.place:
            return
        if self._sink(event):
            self.place = place
        else:
            self.live = False
            self._wake()

    def missed(self, record: StoredRecord) -> None:
        """Hear of a record whose event is not at hand: it must be read from the log."""
        self._newest = self._source.place(record)
        if self.live:
            self.live = False
            self._wake()

    async def catch_up(self) -> bool:
        """Pass on one page from the log; say whether to call again when the sink has room.

        Becomes live, without a gap, when the log has nothing newer than what was heard of.
        """
        limit = self._page_records
        page = await self._source.read(after=self.place, limit=limit)
        for taken, event in enumerate(page):
            if not self._sink(event):
                # Large events: read next time about what there was room for.
                self._page_records = max(1, taken)
                return True
            self.place = self._source.place(event)
        self._page_records = min(2 * limit, REPLAY_PAGE_RECORDS)
        if len(page) == limit or self._newest > self.place:
            return True
        self.live = True
        return False
