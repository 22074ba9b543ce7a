"""One subscription: live in a room while its client keeps up, else fed from the log (shell).

It gets every event behind its start exactly once and in order, whatever mix of the two it takes.
"""

from collections.abc import Callable
from typing import Protocol

from engine.limits import REPLAY_PAGE_RECORDS
from gateway.fanout.outlet import Outlet
from gateway.fanout.rooms import Room, Rooms
from persistence.records import Stream

OnLost = Callable[[Stream, int], None]
"""Called with the stream, and the version behind which a customer must subscribe again."""


class Feeder(Protocol):
    """Feeds lagging subscriptions of one client from the log."""

    def feed(self, subscription: "Subscription") -> None:
        """Call its ``catch_up`` as long as it says so, whenever the client has room."""


class Subscription:
    """Hands the events of a room's stream to one client, from a place on."""

    __slots__ = (
        "_feeder",
        "_lost",
        "_page_records",
        "_room",
        "_rooms",
        "live",
        "outlet",
        "over",
        "place",
    )

    def __init__(
        self,
        *,
        rooms: Rooms,
        room: Room,
        outlet: Outlet,
        feeder: Feeder,
        after: int,
        lost: OnLost,
    ) -> None:
        """Hold ``room`` (which was held for it) and begin behind ``after``: :meth:`begin`."""
        self._rooms = rooms
        self._room = room
        self._feeder = feeder
        self._lost = lost
        self._page_records = REPLAY_PAGE_RECORDS
        self.outlet = outlet
        self.place = after
        """Where it is when it is not live: everything up to here was handed on."""
        self.live = False
        self.over = False

    def begin(self, *, head: int | None = None) -> None:
        """Be live if ``head``, the newest place as it was after the room was held, says so."""
        if head is not None and self.place >= head and self._room.join(self, self.place):
            self.live = True
        else:
            self._feeder.feed(self)

    def end(self) -> None:
        """Take nothing more; harmless when it has ended."""
        if not self.over:
            self.over = True
            self.live = False
            self._room.leave(self)
            self._rooms.release(self._room)

    def fell_behind(self, place: int) -> None:
        """Leave live mode: the client does not keep up."""
        self.live = False
        self.place = place
        self._feeder.feed(self)

    def lost(self, version: int) -> None:
        """End behind an event after which it may not follow any longer."""
        stream = self._room.name.stream
        self.end()
        if stream is not None:
            self._lost(stream, version)

    async def catch_up(self) -> bool:
        """Hand on one page from the log; say whether to call again when the client has room.

        Becomes live, without a gap, when the log has nothing newer than what the room heard of.

        Raises:
            ParleyError: the log cannot be read.
        """
        if self.over:
            return False
        limit, taken = self._page_records, 0
        page = await self._rooms.read(self._room, after=self.place, limit=limit)
        for chunk in page.chunks:
            if self._has_ended():
                return False
            if chunk.joined and not self.outlet.take(chunk.joined, chunk.frames):
                # Large events: read next time about what there was room for.
                self._page_records = max(1, taken)
                return True
            self.place, taken = chunk.place, chunk.records
            if chunk.lost is not None:
                self.lost(chunk.lost)
                return False
        self._page_records = min(2 * limit, REPLAY_PAGE_RECORDS)
        return page.full or not self._joined()

    def _has_ended(self) -> bool:
        """Say whether it is over: any wait, and any call of its client, may have ended it."""
        return self.over

    def _joined(self) -> bool:
        """Be live if the log has nothing newer; what has ended wants nothing more either."""
        self.live = not self.over and self._room.join(self, self.place)
        return self.live or self.over
