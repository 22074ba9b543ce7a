"""Who follows what, live: a room a stream, audience and wire format.

An event is made into bytes once a room, and at the end of a pass all members get the same bytes in
one write each. No task, no await and no encoding for a recipient. Who does not keep up leaves the
room, is fed from the log, and comes back: a room's memory does not grow with slow members.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from engine.bus.bus import Bus
from engine.bus.follower import FeedSource, Source, StreamSource
from engine.events.filters import TypeFilter
from engine.log.event import Event
from engine.log.log import Log
from gateway.fanout.forms import Form
from gateway.fanout.losing_access import may_lose_access
from gateway.fanout.outflow import Outflow
from gateway.fanout.outlet import Outlet
from gateway.fanout.pages import Page, Pages
from persistence.records import StoredRecord, Stream

LOG = logging.getLogger("parley.realtime")

HOLD_MEMBERS = 32
"""Members from which on a room waits for what is on its way to the disk, so that all of it leaves
in one write each: two half batches would cost everybody twice as many."""

STEP_MEMBERS = 64
"""Members that are written to between two looks at the clock, about 10 µs each."""


class RoomName(NamedTuple):
    """What makes two members of one room: they get the same bytes."""

    stream: Stream | None
    """``None`` = the whole environment."""
    form: Form
    audience: str
    types: TypeFilter


class Member(Protocol):
    """One subscription."""

    @property
    def outlet(self) -> Outlet:
        """The way to its client."""

    def fell_behind(self, place: int) -> None:
        """Leave live mode: everything behind ``place`` must be read from the log."""

    def lost(self, version: int) -> None:
        """End: it may not follow any longer behind ``version``."""


class Room:
    """The live members of one name. Places are versions, or positions of the environment."""

    __slots__ = (
        "_frames",
        "_fresh",
        "_marked",
        "_members",
        "_outflow",
        "_places",
        "_sent",
        "_under_way",
        "holders",
        "log",
        "name",
        "newest",
        "source",
    )

    def __init__(self, name: RoomName, log: Log, outflow: Outflow) -> None:
        """Start empty; ``Rooms`` lets it hear of events."""
        self.name = name
        self.source: Source = (
            FeedSource(log) if name.stream is None else StreamSource(log, name.stream)
        )
        """Where those who lag read on."""
        self.holders = 0
        self.newest = 0
        """The place of the newest event that was heard of here; 0 before the first."""
        self.log = log
        self._outflow = outflow
        self._members: dict[Member, Outlet] = {}
        self._fresh: dict[Member, int] = {}
        """Live too, but what they have seen may reach further than what was told here."""
        self._frames: list[bytes] = []
        self._places: list[int] = []
        self._sent = 0
        self._marked = False
        self._under_way: Iterator[None] | None = None

    def __contains__(self, member: object) -> bool:
        return member in self._members or member in self._fresh

    def join(self, member: Member, place: int) -> bool:
        """Let a member be live that has seen everything up to ``place``.

        Return ``False`` if there is more: it must catch up first. Nothing is missed in between.
        """
        if place < self.newest:
            return False
        self._fresh[member] = place
        return True

    def waits(self) -> bool:
        """Say whether it is worth waiting for more: a large room, and its stream is written to."""
        stream = self.name.stream
        return (
            len(self._members) >= HOLD_MEMBERS
            and stream is not None
            and self.log.is_writing(stream)
        )

    def leave(self, member: Member) -> None:
        """Give it nothing more; harmless when it is not here."""
        self._members.pop(member, None)
        self._fresh.pop(member, None)

    def publish(self, event: Event) -> None:
        """Hear of a committed event: it goes to all members at the end of the pass."""
        name = self.name
        place = self.newest = self.source.place(event)
        frame = self.frame(event)
        if frame is not None:
            self._frames.append(frame)
            self._places.append(place)
            if not self._marked:
                self._marked = True
                self._outflow.mark_room(self)
        if name.stream is not None and may_lose_access(event, name.audience):
            self._let_go(event.version)

    def frame(self, event: Event) -> bytes | None:
        """Return the bytes of an event for all members; ``None`` if it is not for them."""
        name = self.name
        if event.seen_by(name.audience) and name.types.matches(event):
            return name.form.frame(self.log, event, name.audience)
        return None

    @property
    def audience(self) -> str:
        """Whose eyes the members have."""
        return self.name.audience

    @property
    def whole(self) -> bool:
        """Say whether it is of the whole environment."""
        return self.name.stream is None

    @property
    def joinable(self) -> bool:
        """Say whether frames may leave as one piece."""
        return self.name.form.joinable

    def missed(self, record: StoredRecord) -> None:
        """Hear of a record whose event is not at hand: everybody reads it from the log."""
        before = self.newest
        self.newest = self.source.place(record)
        self._flush_all()
        fresh = self._fresh
        behind = {member: max(fresh.get(member, 0), before) for member in (*self._members, *fresh)}
        self._members, self._fresh = {}, {}
        for member, place in behind.items():
            member.fell_behind(place)

    def flush(self) -> Iterator[None] | None:
        """Hand what was published to every member; ``None`` if that is done.

        A room with more members than a step has is to be iterated, a step at a time. Several may
        be under way: each goes on where another has stopped.
        """
        if self._under_way is not None or len(self._members) > STEP_MEMBERS:
            return self._steps()
        while self._frames:
            for _ in self._deliver():
                pass
        self._marked = False
        return None

    def _steps(self) -> Iterator[None]:
        while self._under_way is not None or self._frames:
            if self._under_way is None:
                self._under_way = self._deliver()
            step = self._under_way
            yield from step
            if self._under_way is step:
                self._under_way = None
        self._marked = False

    def _deliver(self) -> Iterator[None]:
        frames, places = self._frames, self._places
        self._frames, self._places = [], []
        before, self._sent = self._sent, places[-1]
        joined = b"".join(frames) if len(frames) > 1 else frames[0]
        members = list(self._members.items())
        self._welcome(frames, places)
        for number, (member, outlet) in enumerate(members, start=1):
            if member in self._members and not _taken(outlet, joined, frames):
                self._fall_behind(member, before)
            if number % STEP_MEMBERS == 0:
                yield

    def _welcome(self, frames: list[bytes], places: list[int]) -> None:
        """Make fresh members, for whom some of this is new, members like the others."""
        new = [(member, seen) for member, seen in self._fresh.items() if seen < places[-1]]
        for member, seen in new:
            del self._fresh[member]
            self._members[member] = member.outlet
            first = bisect_right(places, seen)
            if not _taken(member.outlet, b"".join(frames[first:]), frames[first:]):
                self._fall_behind(member, seen)

    def _fall_behind(self, member: Member, place: int) -> None:
        self._members.pop(member, None)
        member.fell_behind(place)

    def _flush_all(self) -> None:
        for _ in self.flush() or ():
            pass

    def _let_go(self, version: int) -> None:
        """End every subscription behind an event after which it may not be seen any longer."""
        self._flush_all()
        members = [*self._members, *(one for one, seen in self._fresh.items() if seen < version)]
        for member in members:
            self.leave(member)
            member.lost(version)


class Rooms:
    """The rooms of one environment; each is there as long as somebody holds it."""

    def __init__(self, bus: Bus, log: Log, outflow: Outflow) -> None:
        """Hear of events by ``bus``."""
        self._bus = bus
        self._log = log
        self._outflow = outflow
        self._rooms: dict[RoomName, Room] = {}
        self.pages = Pages()
        bus.behind_batches(self._flush)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rooms)

    def hold(self, name: RoomName) -> Room:
        """Return a room that hears of everything from now on; ``release`` it in the end."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, self._log, self._outflow)
            self._bus.attach(room, name.stream)
        room.holders += 1
        return room

    def release(self, room: Room) -> None:
        """Hold it no longer."""
        room.holders -= 1
        if not room.holders:
            del self._rooms[room.name]
            self.pages.forget(room)
            self._bus.detach(room, room.name.stream)

    async def read(self, room: Room, *, after: int, limit: int) -> Page:
        """Return a page for a member of ``room`` that is not live (:meth:`Pages.read`)."""
        return await self.pages.read(room, after=after, limit=limit)

    def _flush(self) -> None:
        self._outflow.flush()


def _taken(outlet: Outlet, joined: bytes, frames: list[bytes]) -> bool:
    """Hand frames over; a client whose way fails is ended, and harms no other."""
    try:
        return outlet.take(joined, frames)
    except Exception as error:
        LOG.exception("a client could not be written to", exc_info=error)
        outlet.fail()
        return True
