"""What one socket follows, and how it is let go again."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.bus.follower import Follower
from engine.errors import OutOfRangeError
from engine.events.filters import TypeFilter
from engine.log.event import Event
from gateway.api.contract import Caller
from gateway.limits import SUBSCRIPTIONS_MAX
from gateway.realtime.hub import Member
from gateway.realtime.losing_access import may_lose_access
from gateway.realtime.outbound import Outbound
from persistence.records import Stream

Framer = Callable[[Event], bytes]
OnLost = Callable[[Stream, int], None]
"""Called with the conversation and the version behind which a customer must subscribe again."""


class Sink:
    """Takes the events of one subscription, until it is over."""

    def __init__(self, take: Callable[[Event], bool]) -> None:
        """Pass events on to ``take``."""
        self._take = take
        self.over = False

    def __call__(self, event: Event) -> bool:
        """Take an event, or say that there is no room; what comes when it is over is let go.

        A follower that reads a page of the log when its subscription ends still hands it all on.
        """
        return True if self.over else self._take(event)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One follower, and what takes its events."""

    follower: Follower
    sink: Sink


class Subscriptions:
    """The subscriptions of one socket, at most ``SUBSCRIPTIONS_MAX``."""

    def __init__(
        self, caller: Caller, outbound: Outbound, *, member: Member, frame: Framer, lost: OnLost
    ) -> None:
        """Offer events that ``caller`` may see to ``outbound``, in the bytes ``frame`` makes."""
        self._bus = caller.environment.bus
        self._hub = caller.hub
        self._audience = caller.principal.audience
        self._outbound = outbound
        self._member = member
        self._frame = frame
        self._lost = lost
        self._kept: dict[Stream | None, Subscription] = {}

    def is_live(self, stream: Stream) -> bool:
        """Say whether this socket follows the stream and was told all of it up to this moment.

        A customer may be removed by an event that it has not read yet: only one that is live is
        known to see the conversation still.
        """
        kept = self._kept.get(stream)
        return kept is not None and kept.follower.live

    def add(self, stream: Stream | None, *, after: int, types: TypeFilter) -> None:
        """Follow behind ``after``; a second subscription to one thing replaces the first.

        Raises:
            OutOfRangeError: there are too many.
        """
        if len(self._kept) >= SUBSCRIPTIONS_MAX and stream not in self._kept:
            detail = f"one connection follows at most {SUBSCRIPTIONS_MAX} things"
            raise OutOfRangeError(detail)
        self._let_go(stream)
        sink = Sink(self._taking(stream, types))
        follower = self._follow(stream, sink, after)
        self._kept[stream] = Subscription(follower, sink)
        self._outbound.followers.append(follower)
        self._outbound.wake()
        if stream is not None:
            self._hub.join(stream.name, self._member)

    def remove(self, stream: Stream | None) -> None:
        """Follow it no longer; harmless when it was not followed."""
        self._let_go(stream)
        if stream is not None:
            self._hub.leave(stream.name, self._member)

    def clear(self) -> None:
        """Let everything go."""
        for stream in tuple(self._kept):
            self.remove(stream)

    def _let_go(self, stream: Stream | None) -> None:
        kept = self._kept.pop(stream, None)
        if kept is not None:
            kept.sink.over = True
            self._bus.unfollow(kept.follower, stream)
            self._outbound.followers.remove(kept.follower)

    def _taking(self, stream: Stream | None, types: TypeFilter) -> Callable[[Event], bool]:
        def take(event: Event) -> bool:
            if not event.seen_by(self._audience):
                return True
            if types.matches(event) and not self._outbound.offer(self._frame(event)):
                return False
            if stream is not None and may_lose_access(event, self._audience):
                self._let_go(stream)
                self._hub.withdraw(stream.name, self._member)
                self._lost(stream, event.version)
            return True

        return take

    def _follow(self, stream: Stream | None, sink: Sink, after: int) -> Follower:
        if stream is None:
            return self._bus.follow_all(sink, after=after, wake=self._outbound.wake)
        return self._bus.follow_stream(stream, sink, after=after, wake=self._outbound.wake)
