"""What has been submitted and not been answered, in order and within its bounds."""

from collections import deque
from collections.abc import Sequence

from persistence.errors import StoreBusyError
from persistence.limits import (
    COMMIT_BYTES_MAX,
    COMMIT_ROWS_MAX,
    PENDING_BYTES_MAX,
    PENDING_ROWS_MAX,
)
from persistence.protocols.event_log import OnDone
from persistence.records import Appended, StoredRecord, StreamWrite
from persistence.sqlite.heads import Head, Heads

Row = tuple[int, int, int, bytes, bytes, bytes | None, bool]
"""Position, stream id, version, event id, body, about, withdraws: what is bound to the INSERT."""


class Submit:
    """One call of ``submit``."""

    __slots__ = ("appended", "heads", "on_done", "rows", "size", "writes")

    def __init__(
        self,
        writes: Sequence[StreamWrite],
        heads: list[Head],
        rows: int,
        size: int,
        on_done: OnDone,
    ) -> None:
        """Take the writes, the head of each, and how many rows and bytes of bodies they hold."""
        self.writes = writes
        self.heads = heads
        self.rows = rows
        self.size = size
        self.on_done = on_done
        self.appended: tuple[Appended, ...] = ()


class Batch:
    """The submits of one commit, with the numbers they were given.

    They are numbered all at once, in one loop over the batch: half as dear as one by one between
    the turns of actors.
    """

    def __init__(self, submits: Sequence[Submit], heads: Heads) -> None:
        """Give every draft its position and version, moving the ends of ``heads``."""
        self.submits = submits
        self.new_streams: list[tuple[int, str, str]] = []
        self.rows: list[Row] = []
        self.records: list[StoredRecord] = []
        for submit in submits:
            submit.appended = tuple(
                [
                    self._number(write, self._stream_id(write, head, heads), heads)
                    for write, head in zip(submit.writes, submit.heads, strict=True)
                ]
            )

    def _stream_id(self, write: StreamWrite, head: Head, heads: Heads) -> int:
        if not head.stream_id:
            heads.stream_id += 1
            head.stream_id = heads.stream_id
            self.new_streams.append((head.stream_id, *write.stream))
        return head.stream_id

    def _number(self, write: StreamWrite, stream_id: int, heads: Heads) -> Appended:
        stream, version, position = write.stream, write.expected_version, heads.position
        for draft in write.drafts:
            position += 1
            version += 1
            event_id, body, about = draft.event_id, draft.body, draft.about
            self.rows.append((position, stream_id, version, event_id, body, about, draft.withdraws))
            self.records.append(
                StoredRecord(position, stream, version, event_id, body, draft.note, about)
            )
        heads.position = position
        return Appended(stream, version, position)


class SubmitQueue:
    """Submits wait here until a batch of them is taken, and count until they are released."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: deque[Submit] = deque()
        self._event_ids: set[bytes] = set()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many submits wait to be taken."""
        return len(self._waiting)

    @property
    def rows(self) -> int:
        """How many rows are counted."""
        return len(self._event_ids)

    def check_room(self, rows: int, size: int) -> None:
        """Raise ``StoreBusyError`` if ``rows`` more of ``size`` bytes would be too many."""
        rows += len(self._event_ids)
        size += self._bytes
        if rows > PENDING_ROWS_MAX or size > PENDING_BYTES_MAX:
            message = f"{rows} rows of {size} bytes would wait for their commit"
            raise StoreBusyError(message)

    def check_event_ids(self, writes: Sequence[StreamWrite]) -> None:
        """Raise ``ValueError`` if a draft has the event id of one that waits."""
        for write in writes:
            for draft in write.drafts:
                if draft.event_id in self._event_ids:
                    message = "an event id is used by a submit that still waits"
                    raise ValueError(message)

    def add(self, submit: Submit) -> None:
        """Let ``submit`` wait behind the others, and move the heads of its streams."""
        self._waiting.append(submit)
        self._bytes += submit.size
        for write, head in zip(submit.writes, submit.heads, strict=True):
            head.version += len(write.drafts)
            head.waiting += 1
            for draft in write.drafts:
                self._event_ids.add(draft.event_id)

    def take(self) -> list[Submit]:
        """Take whole submits, in order, of as many rows and bytes as one commit should have."""
        batch: list[Submit] = []
        rows = size = 0
        while self._waiting:
            submit = self._waiting[0]
            rows += submit.rows
            size += submit.size
            if batch and (rows > COMMIT_ROWS_MAX or size > COMMIT_BYTES_MAX):
                break
            batch.append(self._waiting.popleft())
        return batch

    def take_all(self) -> list[Submit]:
        """Take everything that waits, whatever its size, and count nothing any more."""
        batch = list(self._waiting)
        self._waiting.clear()
        self._event_ids.clear()
        self._bytes = 0
        return batch

    def release(self, batch: Batch) -> None:
        """Stop counting ``batch``, which is about to be answered."""
        self._event_ids.difference_update([row[3] for row in batch.rows])
        for submit in batch.submits:
            self._bytes -= submit.size
            for head in submit.heads:
                head.waiting -= 1
