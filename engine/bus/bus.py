"""The bus of one environment: every committed event, in position order, to whoever follows."""

from collections.abc import Callable
from typing import Protocol

from engine.bus.follower import FeedSource, Follower, Sink, StreamSource
from engine.log.event import Event
from engine.log.log import Log
from persistence.protocols.feed import Feed
from persistence.records import StoredRecord, Stream


class Listener(Protocol):
    """Who hears of every committed event of a stream, or of the environment. Must not raise."""

    def publish(self, event: Event) -> None:
        """Hear of a committed event."""

    def missed(self, record: StoredRecord) -> None:
        """Hear of a record whose event is not at hand: it must be read from the log."""


class Bus:
    """Listeners by stream, and listeners to everything. No task of its own, no awaits."""

    def __init__(self, feed: Feed, log: Log) -> None:
        """Hear of each commit by ``feed``; followers that lag read from ``log``."""
        self._log = log
        self._by_stream: dict[Stream, dict[Listener, None]] = {}
        self._of_all: dict[Listener, None] = {}
        self._behind: list[Callable[[], None]] = []
        self._end = feed.listen(self._committed)

    def close(self) -> None:
        """Hear of nothing more."""
        self._end()

    def behind_batches(self, call: Callable[[], None]) -> None:
        """Call ``call`` whenever all events of a commit were told: what they made may go out."""
        self._behind.append(call)

    def attach(self, listener: Listener, stream: Stream | None) -> None:
        """Tell ``listener`` of every event of a stream from now on; of all streams if ``None``."""
        if stream is None:
            self._of_all[listener] = None
        else:
            self._by_stream.setdefault(stream, {})[listener] = None

    def detach(self, listener: Listener, stream: Stream | None) -> None:
        """Tell it no more; harmless when it is told nothing already."""
        if stream is None:
            self._of_all.pop(listener, None)
            return
        listeners = self._by_stream.get(stream)
        if listeners:
            listeners.pop(listener, None)
            if not listeners:
                del self._by_stream[stream]

    def follow_stream(
        self, stream: Stream, sink: Sink, *, after: int, wake: Callable[[], None]
    ) -> Follower:
        """Return a follower of one stream behind version ``after``; call its ``catch_up``."""
        follower = Follower(StreamSource(self._log, stream), sink, after=after, wake=wake)
        self.attach(follower, stream)
        return follower

    def follow_all(self, sink: Sink, *, after: int, wake: Callable[[], None]) -> Follower:
        """Return a follower of the environment behind position ``after``; call its ``catch_up``."""
        follower = Follower(FeedSource(self._log), sink, after=after, wake=wake)
        self.attach(follower, None)
        return follower

    def unfollow(self, follower: Follower, stream: Stream | None = None) -> None:
        """Let a follower go; harmless when it is gone already."""
        self.detach(follower, stream)

    def _committed(self, records: tuple[StoredRecord, ...]) -> None:
        for record in records:
            event: Event | None = record.note
            for listener in (*self._by_stream.get(record.stream, ()), *self._of_all):
                # A commit whose outcome was unknown is told without its events: see Feed.
                if event is None:
                    listener.missed(record)
                else:
                    listener.publish(event)
        for call in self._behind:
            call()
