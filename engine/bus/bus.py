"""The bus of one environment: every committed event, in position order, to whoever follows."""

from collections.abc import Callable, Iterator

from engine.bus.follower import FeedSource, Follower, Sink, StreamSource
from engine.log.event import Event
from engine.log.log import Log
from persistence.protocols.feed import Feed
from persistence.records import StoredRecord, Stream


class Bus:
    """Followers by stream, and followers of everything. No task of its own, no awaits."""

    def __init__(self, feed: Feed, log: Log) -> None:
        """Hear of each commit by ``feed``; followers that lag read from ``log``."""
        self._log = log
        self._by_stream: dict[Stream, dict[Follower, None]] = {}
        self._of_all: dict[Follower, None] = {}
        self._end = feed.listen(self._committed)

    def close(self) -> None:
        """Hear of nothing more."""
        self._end()

    def follow_stream(
        self, stream: Stream, sink: Sink, *, after: int, wake: Callable[[], None]
    ) -> Follower:
        """Return a follower of one stream behind version ``after``; call its ``catch_up``."""
        follower = Follower(StreamSource(self._log, stream), sink, after=after, wake=wake)
        self._by_stream.setdefault(stream, {})[follower] = None
        return follower

    def follow_all(self, sink: Sink, *, after: int, wake: Callable[[], None]) -> Follower:
        """Return a follower of the environment behind position ``after``; call its ``catch_up``."""
        follower = Follower(FeedSource(self._log), sink, after=after, wake=wake)
        self._of_all[follower] = None
        return follower

    def unfollow(self, follower: Follower, stream: Stream | None = None) -> None:
        """Let a follower go; harmless when it is gone already."""
        if stream is None:
            self._of_all.pop(follower, None)
            return
        followers = self._by_stream.get(stream)
        if followers:
            followers.pop(follower, None)
            if not followers:
                del self._by_stream[stream]

    def _committed(self, records: tuple[StoredRecord, ...]) -> None:
        for record in records:
            event: Event | None = record.note
            for follower in self._followers(record.stream):
                # A commit whose outcome was unknown is told without its events: see Feed.
                if event is None:
                    follower.missed(record)
                else:
                    follower.publish(event)

    def _followers(self, stream: Stream) -> Iterator[Follower]:
        yield from tuple(self._by_stream.get(stream, ()))
        yield from tuple(self._of_all)
