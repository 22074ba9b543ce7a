"""Who follows what in the tests of rooms: clients that take, refuse and leave, over a real log."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from trio.testing import wait_all_tasks_blocked

from engine.bus.bus import Bus
from engine.errand import Errands
from engine.events.filters import TypeFilter
from engine.limits import ASK_SECONDS
from engine.log.event import Event
from engine.log.log import Log
from gateway.fanout.feeding import LogFeeder
from gateway.fanout.forms import Form
from gateway.fanout.outflow import Outflow
from gateway.fanout.outlet import ClosedOutletError
from gateway.fanout.rooms import RoomName, Rooms
from gateway.fanout.subscription import Subscription
from persistence.protocols.feed import Feed
from persistence.records import Stream
from tests.support.disks import MemoryDisk
from tests.support.tallies import Count, Tallies, tally, tallying


def version_and_space(log: Log, event: Event, audience: str) -> bytes:
    del log, audience
    return b"%s:%d " % (event.stream.name.encode(), event.version)


VERSIONS = Form("versions", version_and_space)
"""The shortest bytes that tell events apart."""

STAFF = "staff"


class Client:
    """An outlet whose client the test is: it takes what it has room for."""

    def __init__(self) -> None:
        self.room = True
        self.batches: list[bytes] = []
        self.answers: list[bytes] = []
        self.refused = 0
        self.breaks: Exception | None = None
        self.failed = False
        self.gone = False
        self._roomy = trio.Event()

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        assert joined == b"".join(frames or (joined,))
        if self.breaks is not None:
            raise self.breaks
        if self.gone:
            return True
        if not self.room:
            self.refused += 1
            return False
        self.batches.append(joined)
        return True

    def answer(self, frame: bytes) -> None:
        self.answers.append(frame)

    async def has_room(self) -> None:
        while not self.room and not self.gone:
            await self._roomy.wait()
        if self.gone:
            raise ClosedOutletError

    def fail(self) -> None:
        self.failed = True
        self.leave()

    def reads(self) -> None:
        """Take everything from now on."""
        self.room = True
        self._wake()

    def stops(self) -> None:
        """Take nothing from now on."""
        self.room = False

    def leave(self) -> None:
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        self._roomy.set()
        self._roomy = trio.Event()

    @property
    def heard(self) -> list[tuple[str, int]]:
        """What has come, in order: stream and version."""
        pairs = [word.split(b":") for word in b"".join(self.batches).split()]
        return [(name.decode(), int(version)) for name, version in pairs]

    @property
    def versions(self) -> list[int]:
        return [version for _, version in self.heard]


class Seat:
    """A member of a room by itself, and what the room told it."""

    def __init__(self) -> None:
        self.client = Client()
        self.fell_at: list[int] = []
        self.lost_at: list[int] = []

    @property
    def outlet(self) -> Client:
        return self.client

    def fell_behind(self, place: int) -> None:
        self.fell_at.append(place)

    def lost(self, version: int) -> None:
        self.lost_at.append(version)

    @property
    def versions(self) -> list[int]:
        return self.client.versions


class Speaker(Client):
    """A client with an open line: what a session needs."""

    framed = False

    def __init__(self) -> None:
        super().__init__()
        self.silent = False
        self.closed: tuple[int, str] | None = None
        self.paused = False

    def offer(self, frame: bytes) -> bool:
        return self.take(frame, (frame,))

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)
        self.leave()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


@dataclass
class Hall:
    """Rooms over the log of tallies, with everything that they need."""

    tallies: Tallies
    bus: Bus
    errands: Errands
    outflow: Outflow
    rooms: Rooms
    lost: list[tuple[str, int]] = field(default_factory=list)

    @staticmethod
    def name(stream: Stream | None, types: TypeFilter | None = None) -> RoomName:
        return RoomName(stream, VERSIONS, STAFF, types or TypeFilter())

    def name_of(self, stream: str | None) -> RoomName:
        return self.name(None if stream is None else tally(stream))

    def follow(
        self,
        client: Client,
        *,
        after: int = 0,
        stream: str | None = "a",
        head: int | None = None,
        feeder: LogFeeder | None = None,
        form: Form = VERSIONS,
    ) -> Subscription:
        """Subscribe ``client`` behind ``after``; with ``head``, live at once."""
        room = self.rooms.hold(self.name_of(stream)._replace(form=form))
        subscription = Subscription(
            rooms=self.rooms,
            room=room,
            outlet=client,
            feeder=feeder or LogFeeder(client, self.errands),
            after=after,
            lost=lambda stream, version: self.lost.append((stream.name, version)),
        )
        subscription.begin(head=head)
        return subscription

    async def live(self, client: Client, *, stream: str | None = "a") -> Subscription:
        """Subscribe ``client`` behind everything that was written; it is live."""
        head = await self.head(stream)
        subscription = self.follow(client, after=head, stream=stream, head=head)
        assert subscription.live
        return subscription

    async def head(self, stream: str | None = "a") -> int:
        log = self.tallies.log
        return log.committed() if stream is None else len(await log.read(tally(stream)))

    async def write(self, times: int = 1, name: str = "a") -> None:
        """Write ``times`` events at once; whoever is live has them when this returns."""
        await self.tallies.ask(Count("x", times=times), name=name)
        await wait_all_tasks_blocked()


def is_live(subscription: Subscription) -> bool:
    return subscription.live


@asynccontextmanager
async def hall(
    disk: MemoryDisk | None = None, *, feed: Callable[[Feed], Feed] = lambda feed: feed
) -> AsyncIterator[Hall]:
    """Run rooms over tallies in memory; they hear by what ``feed`` makes of the store's."""
    async with tallying(disk) as tallies, trio.open_nursery() as nursery:
        errands, outflow = Errands(seconds=ASK_SECONDS), Outflow()
        await nursery.start(errands.run)
        nursery.start_soon(outflow.run)
        bus = Bus(feed(tallies.store.feed), tallies.log)
        yield Hall(tallies, bus, errands, outflow, Rooms(bus, tallies.log, outflow))
        nursery.cancel_scope.cancel()
