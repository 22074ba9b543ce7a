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
    """One call of ``submit`` with the numbers it was given."""

    __slots__ = ("appended", "heads", "new_streams", "on_done", "records", "rows", "size")

    def __init__(self, on_done: OnDone, size: int) -> None:
        """Start without rows; ``size`` is the bytes of all bodies."""
        self.on_done = on_done
        self.size = size
        self.heads: list[Head] = []
        self.new_streams: list[tuple[int, str, str]] = []
        self.rows: list[Row] = []
        self.records: list[StoredRecord] = []
        self.appended: tuple[Appended, ...] = ()

    def number(self, writes: Sequence[StreamWrite], heads: Heads) -> None:
        """Give every draft its position and version, moving ``heads``."""
        self.appended = tuple([self._number(write, heads) for write in writes])

    def _number(self, write: StreamWrite, heads: Heads) -> Appended:
        stream, version, drafts = write
        head = heads.of(stream)
        if not head.stream_id:
            heads.stream_id += 1
            head.stream_id = heads.stream_id
            self.new_streams.append((head.stream_id, stream.kind, stream.name))
        stream_id, position = head.stream_id, heads.position
        for event_id, body, note, about, withdraws in drafts:
            position += 1
            version += 1
            self.rows.append((position, stream_id, version, event_id, body, about, withdraws))
            self.records.append(
                StoredRecord(position, stream, version, event_id, body, note, about)
            )
        heads.position = position
        head.version = version
        head.waiting += 1
        self.heads.append(head)
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

    def check_room(self, rows: int, size: int) -> None:
        """Raise ``StoreBusyError`` if ``rows`` more of ``size`` bytes would be too many."""
        rows += len(self._event_ids)
        size += self._bytes
        if rows > PENDING_ROWS_MAX or size > PENDING_BYTES_MAX:
            message = f"{rows} rows of {size} bytes would wait for their commit"
            raise StoreBusyError(message)

    def check_event_ids(self, writes: Sequence[StreamWrite]) -> None:
        """Raise ``ValueError`` if a draft has the event id of one that waits."""
        waiting = self._event_ids
        if waiting and any(draft.event_id in waiting for write in writes for draft in write.drafts):
            message = "an event id is used by a submit that still waits"
            raise ValueError(message)

    def add(self, submit: Submit) -> None:
        """Let ``submit`` wait behind the others."""
        self._waiting.append(submit)
        self._bytes += submit.size
        self._event_ids.update([row[3] for row in submit.rows])

    def take(self) -> list[Submit]:
        """Take whole submits, in order, of as many rows and bytes as one commit should have."""
        batch: list[Submit] = []
        rows = size = 0
        while self._waiting:
            submit = self._waiting[0]
            rows += len(submit.rows)
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

    def release(self, batch: Sequence[Submit]) -> None:
        """Stop counting ``batch``, which is about to be answered."""
        for submit in batch:
            self._bytes -= submit.size
            self._event_ids.difference_update([row[3] for row in submit.rows])
            for head in submit.heads:
                head.waiting -= 1
