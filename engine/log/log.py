"""The log of one environment as the engine speaks to it: events in, events out (shell)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from engine.errand import in_task
from engine.errors import OutcomeUnknownError, ParleyError, StorageError
from engine.feature import Catalogue
from engine.log import codec
from engine.log.cursor import CursorMaker
from engine.log.event import Event
from engine.log.keyring import Keyring
from persistence import errors as store_errors
from persistence.limits import READ_RECORDS_MAX
from persistence.protocols.event_log import EventLog
from persistence.protocols.feed import Feed
from persistence.records import Appended, Draft, StoredRecord, Stream, StreamWrite

OnDone = Callable[[ParleyError | None], None]


class EventWrite(msgspec.Struct, frozen=True):
    """Events for the end of one stream, already numbered after ``base``."""

    stream: Stream
    base: int
    events: tuple[Event, ...]


class Log:
    """Seals, stores and reads events. Subject keys must be open before a submit (``keyring``)."""

    def __init__(
        self,
        stored: EventLog,
        feed: Feed,
        *,
        keyring: Keyring,
        environment: str,
        catalogue: Catalogue,
        cursor_key: bytes,
    ) -> None:
        """Serve one environment; ``environment`` is its full name, bound into every sealed part."""
        self._stored = stored
        self._feed = feed
        self._bound = codec.bound_to(environment)
        self._catalogue = catalogue
        self.keyring = keyring
        self.epoch = stored.epoch
        self.cursors = CursorMaker(cursor_key, stored.epoch)

    def submit(self, writes: Sequence[EventWrite], on_done: OnDone) -> None:
        """Append all events of ``writes`` or none, durably; then call ``on_done(None)``.

        ``on_done`` gets a ``StorageError`` (nothing was written) or an ``OutcomeUnknownError``
        instead when it fails. It is never called from inside this call.

        Raises:
            StorageError: refused at once: too much is waiting, or a stream has moved on.
        """
        try:
            self._stored.submit(
                [self._sealed(write) for write in writes], partial(_answer, writes, on_done)
            )
        except store_errors.StoreError as error:
            raise _translated(error) from error

    def is_writing(self, stream: Stream) -> bool:
        """Say whether more of a stream is on its way to the disk (see ``EventLog.is_writing``)."""
        return self._stored.is_writing(stream)

    async def read(
        self,
        stream: Stream,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 256,
        newest_first: bool = False,
    ) -> list[Event]:
        """Return committed events of one stream (see ``EventLog.read``).

        Raises:
            StorageError: the disk does not answer.
        """
        await in_task()
        with store_failures():
            records = await self._stored.read(
                stream, after=after, before=before, limit=limit, newest_first=newest_first
            )
            return await self._opened(records)

    async def read_feed(self, *, after: int, limit: int = 256) -> list[Event]:
        """Return committed events of the environment behind a position, in order."""
        await in_task()
        with store_failures():
            return await self._opened(await self._feed.read_feed(after=after, limit=limit))

    async def find(self, uuid: bytes) -> Event | None:
        """Return one committed event by the 16 bytes of its id."""
        await in_task()
        with store_failures():
            record = await self._stored.find(uuid)
            return (await self._opened([record]))[0] if record else None

    async def about(
        self, uuids: Sequence[bytes], *, after: int = 0, limit: int = READ_RECORDS_MAX
    ) -> list[Event]:
        """Return committed events that are about one of these, in order, a page at a time.

        Args:
            uuids: at most ``READ_RECORDS_MAX``.
            after: a position; only what lies behind it is returned.
            limit: of the page.
        """
        await in_task()
        with store_failures():
            return await self._opened(await self._stored.about(uuids, after=after, limit=limit))

    async def head(self, stream: Stream) -> int:
        """Return the newest committed version of a stream; 0 if it has no events."""
        await in_task()
        with store_failures():
            return await self._stored.head(stream)

    async def version_at(self, stream: Stream, position: int) -> int:
        """Return the version a stream had at a position of the environment."""
        await in_task()
        with store_failures():
            return await self._stored.version_at(stream, position)

    def committed(self) -> int:
        """Return the newest position that followers have heard of."""
        return self._feed.committed()

    async def position_at(self, time_ms: int) -> int:
        """Return the newest position recorded before ``time_ms``: a binary search.

        Record time never runs backwards in an environment, whatever the machine's clock does.
        """
        low, high = 0, self.committed()
        while low < high:
            middle = (low + high + 1) // 2
            if await self._time_at(middle) < time_ms:
                low = middle
            else:
                high = middle - 1
        return low

    async def last_time_ms(self) -> int:
        """Return the record time of the newest event; 0 for an empty log."""
        position = self.committed()
        return await self._time_at(position) if position else 0

    async def _time_at(self, position: int) -> int:
        await in_task()
        with store_failures():
            (record,) = await self._feed.read_feed(after=position - 1, limit=1)
        return codec.head_of(record).time_ms

    def cursor_of(self, event: Event) -> str:
        """Return the cursor of a committed event, made on first use."""
        if not event.cursor:
            event.cursor = self.cursors.make(event.position)
        return event.cursor

    def _sealed(self, write: EventWrite) -> StreamWrite:
        drafts = [
            Draft(event.uuid, self._body(event), event, event.about, event.withdraws)
            for event in write.events
        ]
        return StreamWrite(write.stream, write.base, tuple(drafts))

    def _body(self, event: Event) -> bytes:
        key = self.keyring.opened(event.subject)
        if key is None:
            detail = "a turn may seal only with keys that are open"
            raise AssertionError(detail)
        name = self.keyring.name_of(event.subject)
        return codec.to_body(event, key=key, name=name, bound=self._bound)

    async def _opened(self, records: Sequence[StoredRecord]) -> list[Event]:
        heads = [codec.head_of(record) for record in records]
        keys = await self.keyring.load({head.subject for head in heads})
        # No wait from here on: a key that is destroyed later has not opened anything later.
        return [
            self._event(record, head, keys[head.subject])
            for record, head in zip(records, heads, strict=True)
        ]

    def _event(self, record: StoredRecord, head: codec.Head, key: bytes | None) -> Event:
        if key is None or self.keyring.is_destroyed(head.subject):
            return codec.to_tombstone(record, head, catalogue=self._catalogue)
        event = codec.to_event(record, head, key=key, bound=self._bound, catalogue=self._catalogue)
        if record.withdrawn:
            event.withdraw()
        return event


def _answer(
    writes: Sequence[EventWrite],
    on_done: OnDone,
    result: tuple[Appended, ...] | store_errors.StoreError,
) -> None:
    """Give the events their positions before anybody hears of them, and tell that they are safe."""
    if isinstance(result, store_errors.StoreError):
        on_done(_translated(result))
        return
    for write, appended in zip(writes, result, strict=True):
        position = appended.position
        for event in reversed(write.events):
            event.position = position
            position -= 1
    on_done(None)


@contextmanager
def store_failures() -> Iterator[None]:
    """Turn what a store fails with into what an asker may be told."""
    try:
        yield
    except store_errors.StoreError as error:
        raise _translated(error) from error


def _translated(error: store_errors.StoreError) -> ParleyError:
    if isinstance(error, store_errors.OutcomeUnknownError):
        return OutcomeUnknownError("the commit failed; repeat with the same idempotency key")
    if isinstance(error, store_errors.VersionConflictError):
        return StorageError("the stream has another writer; try again")
    return StorageError("the store does not answer right now; nothing was written")
