"""The log in memory. Commits are made by a task, once per pass, exactly as on a disk."""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import trio

from persistence.calls import Call, call_each
from persistence.errors import (
    OutcomeUnknownError,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)
from persistence.limits import (
    COMMIT_BYTES_MAX,
    COMMIT_ROWS_MAX,
    PENDING_BYTES_MAX,
    PENDING_ROWS_MAX,
    check_event_ids,
    check_page,
    check_writes,
)
from persistence.memory.feed import MemoryFeed
from persistence.memory.records_kept import KeptRecords
from persistence.protocols.event_log import OnDone
from persistence.records import Appended, StoredRecord, Stream, StreamWrite

Gate = Callable[[], Awaitable[None]]
"""Awaited before each commit: it stands for the disk. An ``OSError`` is a commit that failed."""


class _Submit(NamedTuple):
    records: tuple[StoredRecord, ...]
    appended: tuple[Appended, ...]
    size: int
    on_done: OnDone
    withdrawing: frozenset[int]
    """Positions of the records that withdraw what they are about."""


class MemoryEventLog:
    """Appends and reads of one environment; :meth:`run` commits what is submitted."""

    def __init__(self, kept: KeptRecords, feed: MemoryFeed, gate: Gate | None = None) -> None:
        """Write to ``kept`` and tell ``feed``, at the pace that ``gate`` allows."""
        self._kept = kept
        self._feed = feed
        self._gate = gate
        self._accepting = False
        self._wake = trio.Event()
        self._forget()

    def _forget(self) -> None:
        self._unanswered: list[_Submit] = []
        self._heads: dict[Stream, int] = {}
        self._event_ids: set[bytes] = set()
        self._bytes = 0
        self._position = len(self._kept.by_position)

    @property
    def epoch(self) -> str:
        """The epoch drawn when the log was made."""
        return self._kept.epoch

    def submit(self, writes: Sequence[StreamWrite], on_done: OnDone) -> None:
        """Add the drafts of every write, all or none; see the protocol for what may be raised."""
        rows, size = check_writes(writes)
        self._check_room(rows, size)
        for write in writes:
            current = self._heads.get(write.stream, len(self._kept.of(write.stream)))
            if current != write.expected_version:
                raise VersionConflictError(
                    write.stream, expected=write.expected_version, current=current
                )
        event_ids = {draft.event_id for write in writes for draft in write.drafts}
        if not self._event_ids.isdisjoint(event_ids):
            message = "an event id is used by a submit that still waits"
            raise ValueError(message)
        self._event_ids |= event_ids
        self._bytes += size
        self._unanswered.append(self._numbered(writes, size, on_done))
        self._wake.set()

    def _check_room(self, rows: int, size: int) -> None:
        if not self._accepting:
            message = "the log is closed"
            raise StoreUnavailableError(message)
        waiting = len(self._event_ids) + rows
        if waiting > PENDING_ROWS_MAX or self._bytes + size > PENDING_BYTES_MAX:
            message = f"{waiting} rows of {self._bytes + size} bytes would wait for their commit"
            raise StoreBusyError(message)

    def _numbered(self, writes: Sequence[StreamWrite], size: int, on_done: OnDone) -> _Submit:
        records: list[StoredRecord] = []
        appended: list[Appended] = []
        withdrawing: set[int] = set()
        for write in writes:
            stream, version = write.stream, write.expected_version
            for draft in write.drafts:
                self._position += 1
                version += 1
                event_id, body, note, about = draft.event_id, draft.body, draft.note, draft.about
                records.append(
                    StoredRecord(self._position, stream, version, event_id, body, note, about)
                )
                if draft.withdraws:
                    withdrawing.add(self._position)
            self._heads[stream] = version
            appended.append(Appended(stream, version, self._position))
        return _Submit(tuple(records), tuple(appended), size, on_done, frozenset(withdrawing))

    def is_writing(self, stream: Stream) -> bool:
        """Say whether a submit to ``stream`` is still to be answered."""
        return stream in self._heads

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

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Commit what is submitted until cancelled, then what is left."""
        self._forget()
        self._feed.open()
        self._accepting = True
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                with trio.CancelScope(shield=True):
                    await self._commit_all()
        finally:
            self._accepting = False
            try:
                with trio.CancelScope(shield=True):
                    await self._commit_all()
            finally:
                self._feed.is_open = False
                self._fail(len(self._unanswered), StoreUnavailableError("the log is closed"))

    async def _commit_all(self) -> None:
        while self._unanswered:
            count = self._batch_length()
            failure = await self._pass_gate()
            if failure is not None:
                self._fail(count, failure)
                return
            if not self._commit(count):
                self._fail(count, StoreUnavailableError("an event id is in the log already"))
                return

    async def _pass_gate(self) -> StoreError | None:
        try:
            if self._gate is not None:
                await self._gate()
        except OSError as error:
            return OutcomeUnknownError(str(error))
        return None

    def _batch_length(self) -> int:
        rows = size = 0
        for count, submit in enumerate(self._unanswered):
            rows += len(submit.records)
            size += submit.size
            if count and (rows > COMMIT_ROWS_MAX or size > COMMIT_BYTES_MAX):
                return count
        return len(self._unanswered)

    def _commit(self, count: int) -> bool:
        """Keep, answer and tell the first ``count`` submits, unless they repeat a stored id."""
        batch = self._unanswered[:count]
        records = tuple(record for submit in batch for record in submit.records)
        if any(record.event_id in self._kept.by_event for record in records):
            return False
        del self._unanswered[:count]
        self._bytes -= sum(submit.size for submit in batch)
        self._event_ids.difference_update(record.event_id for record in records)
        self._kept.add(records, frozenset().union(*(submit.withdrawing for submit in batch)))
        if not self._unanswered:
            self._heads.clear()
        calls: list[Call] = [(submit.on_done, submit.appended) for submit in batch]
        calls.append((self._feed.tell, records))
        call_each(calls)
        return True

    def _fail(self, count: int, error: StoreError) -> None:
        """Answer the first ``count`` submits with ``error``, those behind: nothing was written."""
        unanswered = self._unanswered
        self._forget()
        behind = StoreUnavailableError("the commit before this one failed; nothing was written")
        call_each(
            (submit.on_done, error if number < count else behind)
            for number, submit in enumerate(unanswered)
        )

    async def head(self, stream: Stream) -> int:
        """Return the version of the newest committed record of ``stream``."""
        await trio.lowlevel.checkpoint()
        self._feed.check_open()
        return len(self._kept.of(stream))

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
        await trio.lowlevel.checkpoint()
        self._feed.check_open()
        found = [
            record
            for record in self._kept.of(stream)
            if record.version > after and (before is None or record.version < before)
        ]
        page = (found[::-1] if newest_first else found)[:limit]
        return [self._kept.seen(record) for record in page]

    async def find(self, event_id: bytes) -> StoredRecord | None:
        """Return the committed record of one event, or ``None``."""
        await trio.lowlevel.checkpoint()
        self._feed.check_open()
        found = self._kept.by_event.get(event_id)
        return self._kept.seen(found) if found else None

    async def about(
        self, event_ids: Sequence[bytes], *, after: int = 0, limit: int = 256
    ) -> list[StoredRecord]:
        """Return committed records that are about one of the events, in position order."""
        check_page(after, limit)
        check_event_ids(event_ids)
        await trio.lowlevel.checkpoint()
        self._feed.check_open()
        found = [record for event_id in set(event_ids) for record in self._kept.about(event_id)]
        behind = [record for record in found if record.position > after]
        behind.sort(key=lambda record: record.position)
        return [self._kept.seen(record) for record in behind[:limit]]

    async def version_at(self, stream: Stream, position: int) -> int:
        """Return the newest version of ``stream`` at or before ``position``; 0 if none."""
        await trio.lowlevel.checkpoint()
        self._feed.check_open()
        records = self._kept.of(stream)
        return bisect_right(records, position, key=lambda record: record.position)
