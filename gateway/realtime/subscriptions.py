"""What one socket follows, and how it is let go again."""

from engine.errors import OutOfRangeError
from engine.events.filters import TypeFilter
from gateway.callers import Caller
from gateway.fanout.feeding import LogFeeder
from gateway.fanout.forms import Form
from gateway.fanout.hub import Member
from gateway.fanout.rooms import Room, RoomName
from gateway.fanout.subscription import OnLost, Subscription
from gateway.limits import SUBSCRIPTIONS_MAX
from gateway.realtime.line import Line
from persistence.records import Stream


class Subscriptions:
    """The subscriptions of one socket, at most ``SUBSCRIPTIONS_MAX``."""

    __slots__ = (
        "_audience",
        "_errands",
        "_feeder",
        "_form",
        "_hub",
        "_kept",
        "_line",
        "_lost",
        "_member",
        "_rooms",
    )

    def __init__(
        self,
        caller: Caller,
        line: Line,
        *,
        form: Form,
        member: Member,
        lost: OnLost,
    ) -> None:
        """Hand events that ``caller`` may see to ``line``, in the bytes of ``form``."""
        self._rooms = caller.switchboard.rooms_of(caller.environment)
        self._hub = caller.hub
        self._audience = caller.principal.audience
        self._line = line
        self._errands = caller.switchboard.errands
        self._feeder: LogFeeder | None = None
        self._form = form
        self._member = member
        self._lost = lost
        self._kept: dict[Stream | None, Subscription] = {}

    def is_live(self, stream: Stream) -> bool:
        """Say whether this socket follows the stream and was told all of it up to this moment.

        A customer may be removed by an event that it has not read yet: only one that is live is
        known to see the conversation still.
        """
        kept = self._kept.get(stream)
        return kept is not None and kept.live

    def lagging(self) -> list[tuple[str | None, int]]:
        """Return the conversations that are not live, each with how far it was handed on."""
        return [
            (stream.name if stream else None, kept.place)
            for stream, kept in self._kept.items()
            if not kept.live
        ]

    def check_count(self, stream: Stream | None) -> None:
        """Refuse one subscription too many.

        Raises:
            OutOfRangeError: there are ``SUBSCRIPTIONS_MAX`` to other things.
        """
        if len(self._kept) >= SUBSCRIPTIONS_MAX and stream not in self._kept:
            detail = f"one connection follows at most {SUBSCRIPTIONS_MAX} things"
            raise OutOfRangeError(detail)

    def hold(self, stream: Stream | None, types: TypeFilter) -> Room:
        """Return the room of what is to be followed; it misses nothing from now on."""
        return self._rooms.hold(RoomName(stream, self._form, self._audience, types))

    def release(self, room: Room) -> None:
        """Let a room go that nothing came of."""
        self._rooms.release(room)

    def add(self, room: Room, *, after: int, head: int | None) -> None:
        """Follow behind ``after``; a second subscription to one thing replaces the first.

        Args:
            room: held for it.
            after: a place of the room.
            head: the newest place, if it was looked at after the room was held.
        """
        stream = room.name.stream
        self._let_go(stream)
        subscription = Subscription(
            rooms=self._rooms,
            room=room,
            outlet=self._line,
            feeder=self,
            after=after,
            lost=self._is_lost,
        )
        self._kept[stream] = subscription
        if stream is not None:
            self._hub.join(stream.name, self._member)
        subscription.begin(head=head)

    def remove(self, stream: Stream | None) -> None:
        """Follow it no longer; harmless when it was not followed."""
        self._let_go(stream)
        if stream is not None:
            self._hub.leave(stream.name, self._member)

    def clear(self) -> None:
        """Let everything go."""
        for stream in tuple(self._kept):
            self.remove(stream)

    def feed(self, subscription: Subscription) -> None:
        """Feed a subscription from the log: most sockets never need it."""
        if self._feeder is None:
            self._feeder = LogFeeder(self._line, self._errands)
        self._feeder.feed(subscription)

    def _let_go(self, stream: Stream | None) -> None:
        kept = self._kept.pop(stream, None)
        if kept is not None:
            kept.end()

    def _is_lost(self, stream: Stream, version: int) -> None:
        self._kept.pop(stream, None)
        self._hub.withdraw(stream.name, self._member)
        self._lost(stream, version)
