"""What one socket follows, and how it is let go again."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.bus.follower import Follower
from engine.environment import Environment
from engine.errors import OutOfRangeError
from engine.events.filters import TypeFilter
from engine.log.event import Event
from gateway.limits import SUBSCRIPTIONS_MAX
from gateway.realtime.hub import Hub, Member
from gateway.realtime.outbound import Outbound
from persistence.records import Stream

Framer = Callable[[Event], bytes]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One follower, and what it follows (``None`` = the whole environment)."""

    follower: Follower
    stream: Stream | None


class Subscriptions:
    """The subscriptions of one socket, at most ``SUBSCRIPTIONS_MAX``."""

    def __init__(
        self,
        environment: Environment,
        hub: Hub,
        outbound: Outbound,
        *,
        member: Member,
        audience: str,
        frame: Framer,
    ) -> None:
        """Offer events that ``audience`` may see to ``outbound``, in the bytes ``frame`` makes."""
        self._bus = environment.bus
        self._hub = hub
        self._outbound = outbound
        self._member = member
        self._audience = audience
        self._frame = frame
        self._kept: dict[Stream | None, Subscription] = {}

    def has(self, stream: Stream) -> bool:
        """Say whether this socket follows the stream."""
        return stream in self._kept

    def add(self, stream: Stream | None, *, after: int, types: TypeFilter) -> None:
        """Follow behind ``after``; a second subscription to one thing replaces the first.

        Raises:
            OutOfRangeError: there are too many.
        """
        if len(self._kept) >= SUBSCRIPTIONS_MAX and stream not in self._kept:
            detail = f"one connection follows at most {SUBSCRIPTIONS_MAX} things"
            raise OutOfRangeError(detail)
        self.remove(stream)
        follower = self._follow(stream, self._sink(types), after)
        self._kept[stream] = Subscription(follower, stream)
        self._outbound.followers.append(follower)
        self._outbound.wake()
        if stream is not None:
            self._hub.join(stream.name, self._member)

    def remove(self, stream: Stream | None) -> None:
        """Follow it no longer; harmless when it was not followed."""
        kept = self._kept.pop(stream, None)
        if kept is None:
            return
        self._bus.unfollow(kept.follower, stream)
        self._outbound.followers.remove(kept.follower)
        if stream is not None:
            self._hub.leave(stream.name, self._member)

    def clear(self) -> None:
        """Let everything go."""
        for stream in tuple(self._kept):
            self.remove(stream)

    def _sink(self, types: TypeFilter) -> Callable[[Event], bool]:
        def sink(event: Event) -> bool:
            if not event.seen_by(self._audience) or not types.matches(event):
                return True
            return self._outbound.offer(self._frame(event))

        return sink

    def _follow(self, stream: Stream | None, sink: Callable[[Event], bool], after: int) -> Follower:
        if stream is None:
            return self._bus.follow_all(sink, after=after, wake=self._outbound.wake)
        return self._bus.follow_stream(stream, sink, after=after, wake=self._outbound.wake)
