"""The log of one environment in one SQLite file."""

import json
from collections.abc import Sequence

import trio

from persistence.errors import StoreError, StoreUnavailableError, VersionConflictError
from persistence.limits import check_event_ids, check_page, check_writes
from persistence.protocols.event_log import OnDone
from persistence.records import Appended, StoredRecord, Stream, StreamWrite
from persistence.sqlite.group_commit import GroupCommit
from persistence.sqlite.heads import Head, Heads
from persistence.sqlite.readers import WITHDRAWN, Readers
from persistence.sqlite.statements import (
    FIND_POSITION,
    FIND_RECORD,
    READ_ABOUT,
    READ_HEAD,
    READ_STREAM,
    READ_STREAM_NEWEST_FIRST,
)
from persistence.sqlite.submits import Submit, SubmitQueue

VERSION_MAX = 2**63 - 1


class SqliteEventLog:
    """Appends through :class:`GroupCommit`, reads through :class:`Readers`.

    ``head``, ``find`` and ``version_at`` read on the loop: one to about twenty index look-ups of a
    few µs each, where a thread would cost 90. Pages of ``read`` are read in threads.
    """

    def __init__(
        self, commits: GroupCommit, queue: SubmitQueue, heads: Heads, readers: Readers
    ) -> None:
        """Put the parts together; the store opens and closes them."""
        self._commits = commits
        self._queue = queue
        self._heads = heads
        self._readers = readers
        self._epoch = ""

    def begin(self, epoch: str) -> None:
        """Take the epoch that was read from the file."""
        self._epoch = epoch

    @property
    def epoch(self) -> str:
        """The epoch drawn when the log was made or restored."""
        return self._epoch

    def submit(self, writes: Sequence[StreamWrite], on_done: OnDone) -> None:
        """Add the drafts of every write, all or none; see the protocol for what may be raised."""
        rows, size = check_writes(writes)
        if not self._commits.accepting:
            message = "the log is closed, or its disk has failed and it is being opened again"
            raise StoreUnavailableError(message)
        self._queue.check_room(rows, size)
        heads = [self._head_expected(write) for write in writes]
        self._queue.check_event_ids(writes)
        self._queue.add(Submit(writes, heads, rows, size, on_done))
        self._heads.trim()
        self._commits.wake()

    def _head_expected(self, write: StreamWrite) -> Head:
        head = self._heads.of(write.stream)
        if head.version != write.expected_version:
            raise VersionConflictError(
                write.stream, expected=write.expected_version, current=head.version
            )
        return head

    def is_writing(self, stream: Stream) -> bool:
        """Say whether a submit to ``stream`` is still to be answered."""
        head = self._heads.remembered(stream)
        return head is not None and head.waiting > 0

    async def append(self, writes: Sequence[StreamWrite]) -> tuple[Appended, ...]:
        """Submit and wait for the receipt."""
        answered = trio.Event()
        answers: list[tuple[Appended, ...] | StoreError] = []

        def on_done(answer: tuple[Appended, ...] | StoreError) -> None:
            answers.append(answer)
            answered.set()

        self.submit(writes, on_done)
        await answered.wait()
        if isinstance(answers[0], StoreError):
            raise answers[0]
        return answers[0]

    async def head(self, stream: Stream) -> int:
        """Return the version of the newest committed record of ``stream``."""
        await trio.lowlevel.checkpoint()
        return read_head(self._readers, stream).version

    async def read(
        self,
        stream: Stream,
        *,
        after: int = 0,
        limit: int = 256,
        newest_first: bool = False,
        before: int | None = None,
    ) -> list[StoredRecord]:
        """Return committed records of one stream with ``after < version < before``."""
        check_page(after, limit)
        statement = READ_STREAM_NEWEST_FIRST if newest_first else READ_STREAM
        end = VERSION_MAX if before is None else before
        return await self._readers.page(statement, (*stream, after, end, limit))

    async def find(self, event_id: bytes) -> StoredRecord | None:
        """Return the committed record of one event, or ``None``."""
        await trio.lowlevel.checkpoint()
        for position, kind, name, version, found_id, body, about, fate in self._readers.look_up(
            FIND_RECORD, (event_id,)
        ):
            stream = Stream(kind, name)
            return StoredRecord(
                position,
                stream,
                version,
                found_id,
                body,
                about=about,
                outdated=fate is not None,
                withdrawn=fate == WITHDRAWN,
            )
        return None

    async def about(
        self, event_ids: Sequence[bytes], *, after: int = 0, limit: int = 256
    ) -> list[StoredRecord]:
        """Return committed records that are about one of the events, in position order."""
        check_page(after, limit)
        check_event_ids(event_ids)
        names = json.dumps([event_id.hex() for event_id in event_ids])
        return await self._readers.page(READ_ABOUT, (names, after, limit))

    async def version_at(self, stream: Stream, position: int) -> int:
        """Return the newest version of ``stream`` at or before ``position``; 0 if none.

        Versions are dense and rise with positions, so this is a binary search in the index.
        """
        await trio.lowlevel.checkpoint()
        head = read_head(self._readers, stream)
        low, high = 0, head.version
        while low < high:
            middle = (low + high + 1) // 2
            [(found,)] = self._readers.look_up(FIND_POSITION, (head.stream_id, middle))
            if found <= position:
                low = middle
            else:
                high = middle - 1
        return low


def read_head(readers: Readers, stream: Stream) -> Head:
    """Read the head of ``stream`` from the index, on the loop."""
    for stream_id, version in readers.look_up(READ_HEAD, stream):
        return Head(stream_id, version)
    return Head(0, 0)
