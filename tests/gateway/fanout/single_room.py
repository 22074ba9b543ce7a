"""One room by itself: events are published and flushed by the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.events.filters import TypeFilter
from engine.log.event import Event
from gateway.fanout.forms import Form
from gateway.fanout.outflow import Outflow
from gateway.fanout.rooms import Room, RoomName
from persistence.records import StoredRecord
from tests.gateway.realtime.clients import VERSIONS, Seat
from tests.support.tallies import event, tally, tallying

ALL = TypeFilter()


@dataclass
class Place:
    """One room, and the outflow that it writes by."""

    room: Room
    outflow: Outflow

    def seats(self, *places: int) -> list[Seat]:
        made = [Seat() for _ in places]
        for seat, place in zip(made, places, strict=True):
            assert self.room.join(seat, place)
        return made

    def publish(self, *versions: int) -> None:
        for version in versions:
            self.room.publish(event(version))

    def flush(self) -> bool:
        return self.outflow.flush()


def record(version: int) -> StoredRecord:
    return StoredRecord(version, tally(), version, b"", b"")


def removal(version: int) -> Event:
    made = event(version)
    made.type = "participant.removed"
    return made


@asynccontextmanager
async def one_room(
    *, form: Form = VERSIONS, audience: str = "staff", types: TypeFilter = ALL
) -> AsyncIterator[Place]:
    async with tallying() as tallies:
        outflow = Outflow()
        yield Place(Room(RoomName(tally(), form, audience, types), tallies.log, outflow), outflow)
