"""What rooms read from the log for those who lag or resume, kept for the next who wants it (shell).

After a restart everybody resumes at once, and the members of one conversation want the same pages:
each is read, opened and made into bytes once. A page is kept under what its room had heard of when
it was asked for, so no page outlives an event that changes what may be shown of it.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import trio

from engine.bus.follower import Source
from engine.log.event import Event
from gateway.fanout.losing_access import may_lose_access
from gateway.limits import PAGES_KEPT_BYTES_MAX, PAGES_KEPT_MAX, RESUME_CHUNK_BYTES


class Chunk(NamedTuple):
    """Some frames of a page, for one write."""

    joined: bytes
    frames: tuple[bytes, ...]
    """The same, one by one; empty where the form is ``joinable``."""
    place: int
    """How far a reader is behind it: events that it may not see are passed over."""
    records: int
    """How many records of the page lie up to its end."""
    lost: int | None
    """The version behind which a customer must subscribe again; then the page ends here."""


class Page(NamedTuple):
    """One page of the log, in the bytes of a room."""

    chunks: tuple[Chunk, ...]
    full: bool
    """Whether there may be more behind it."""
    size: int
    """Bytes that it holds."""


class Reader(Protocol):
    """A room, as far as pages of it are read."""

    newest: int
    holders: int
    source: Source

    def frame(self, event: Event) -> bytes | None:
        """Return the bytes of an event; ``None`` for one that is not for this room."""

    @property
    def audience(self) -> str:
        """Whose eyes its members have."""

    @property
    def whole(self) -> bool:
        """Say whether it is of the whole environment."""

    @property
    def joinable(self) -> bool:
        """Say whether the frames of a chunk may leave as one piece."""


_Key = tuple[Reader, int, int, int]


class Pages:
    """The pages read last in one environment."""

    def __init__(self) -> None:
        """Start without pages."""
        self._kept: OrderedDict[_Key, Page] = OrderedDict()
        self._of_room: dict[Reader, set[_Key]] = {}
        self._bytes = 0
        self._under_way: dict[_Key, trio.Event] = {}

    def __len__(self) -> int:
        """Return how many pages are kept."""
        return len(self._kept)

    @property
    def kept_bytes(self) -> int:
        """Return how many bytes of all pages are kept."""
        return self._bytes

    async def read(self, room: Reader, *, after: int, limit: int) -> Page:
        """Return the page behind ``after``, of at most ``limit`` records.

        Who asks for a page that is being read waits for it.

        Raises:
            ParleyError: the log cannot be read.
        """
        key = (room, after, limit, room.newest)
        while (under_way := self._under_way.get(key)) is not None:
            await under_way.wait()
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        self._under_way[key] = read = trio.Event()
        try:
            page = _page_of(room, await room.source.read(after=after, limit=limit), limit)
            self._keep(key, page)
        finally:
            del self._under_way[key]
            read.set()
        return page

    def forget(self, room: Reader) -> None:
        """Keep nothing of a room: it hears of nothing any more."""
        for key in self._of_room.pop(room, ()):
            page = self._kept.pop(key, None)
            if page is not None:
                self._bytes -= page.size

    def clear(self) -> None:
        """Keep nothing: what was read may not be shown any more."""
        self._kept.clear()
        self._of_room.clear()
        self._bytes = 0

    def _keep(self, key: _Key, page: Page) -> None:
        room = key[0]
        if not page.chunks or not room.holders or page.size > PAGES_KEPT_BYTES_MAX // 4:
            return
        self._kept[key] = page
        self._of_room.setdefault(room, set()).add(key)
        self._bytes += page.size
        while self._bytes > PAGES_KEPT_BYTES_MAX or len(self._kept) > PAGES_KEPT_MAX:
            oldest, left = self._kept.popitem(last=False)
            self._of_room[oldest[0]].discard(oldest)
            self._bytes -= left.size


def _page_of(room: Reader, events: list[Event], limit: int) -> Page:
    chunks = tuple(_chunks(room, events))
    return Page(chunks, len(events) == limit, sum(map(_held, chunks)))


def _held(chunk: Chunk) -> int:
    """Return how many bytes a chunk holds: one frame alone is the same object twice."""
    apart = sum(map(len, chunk.frames)) if len(chunk.frames) > 1 else 0
    return len(chunk.joined) + apart


def _chunks(room: Reader, events: list[Event]) -> Iterable[Chunk]:
    frames: list[bytes] = []
    size = 0
    for number, event in enumerate(events, start=1):
        frame = room.frame(event)
        if frame is not None:
            frames.append(frame)
            size += len(frame)
        loses = not room.whole and may_lose_access(event, room.audience)
        if loses or size >= RESUME_CHUNK_BYTES or number == len(events):
            place = room.source.place(event)
            lost = event.version if loses else None
            apart = () if room.joinable else tuple(frames)
            yield Chunk(b"".join(frames), apart, place, number, lost)
            frames, size = [], 0
        if loses:
            return
