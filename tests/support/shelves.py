"""A log whose reads a test can hold, and rooms that read pages of it."""

from collections.abc import Collection

import trio

from engine.bus.follower import Source
from engine.errors import StorageError
from engine.log.event import STAFF, Event
from persistence.records import StoredRecord
from tests.support.tallies import event

FRAME_BYTES = 10
"""Every event is as long."""


class Shelf:
    """Events to read; the test counts the reads, holds them and lets them fail."""

    def __init__(self, *events: Event) -> None:
        self.events = events
        self.reads: list[int] = []
        """Behind which place was read, in order."""
        self.broken = False
        self._released = trio.Event()
        self._released.set()

    def place(self, found: Event | StoredRecord) -> int:
        return found.version

    def hold(self) -> None:
        """Let those who read wait."""
        self._released = trio.Event()

    def release(self) -> None:
        self._released.set()

    async def read(self, *, after: int, limit: int) -> list[Event]:
        self.reads.append(after)
        await self._released.wait()
        if self.broken:
            raise StorageError("the log cannot be read")
        return [one for one in self.events if one.version > after][:limit]


class Room:
    """Whoever reads pages: each frame is ``FRAME_BYTES`` long, and those of ``hidden`` are none."""

    def __init__(
        self,
        log: Shelf,
        *,
        audience: str = STAFF,
        whole: bool = False,
        hidden: Collection[int] = (),
        joinable: bool = True,
    ) -> None:
        self.log = log
        self.source: Source = log
        self.audience = audience
        self.whole = whole
        self.joinable = joinable
        self.newest = 0
        self.holders = 1
        self._hidden = hidden

    def frame(self, event: Event) -> bytes | None:
        return None if event.version in self._hidden else framed(event.version)


def framed(*versions: int) -> bytes:
    return b"".join(b"%d" % version + b"." * (FRAME_BYTES - 1) for version in versions)


def shelf(count: int = 9) -> Shelf:
    return Shelf(*(event(version) for version in range(1, count + 1)))
