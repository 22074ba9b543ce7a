"""The log of one environment: append-only streams, dense versions, one dense position for all."""

from collections.abc import Callable, Sequence
from typing import Protocol

from persistence.errors import StoreError
from persistence.records import Appended, StoredRecord, Stream, StreamWrite

OnDone = Callable[[tuple[Appended, ...] | StoreError], None]


class EventLog(Protocol):
    """Atomic appends to one or more streams, and reads of one stream.

    Order: submits are committed in the order of their calls; several share one commit (group
    commit). Receipts (``on_done``) are called in submit order, before the listeners of the feed
    hear of the batch (:class:`persistence.protocols.feed.Feed`).
    """

    @property
    def epoch(self) -> str:
        """8 characters of ``records.EPOCH_ALPHABET``, drawn when the log is made or restored."""

    def submit(self, writes: Sequence[StreamWrite], on_done: OnDone) -> None:
        """Add the drafts of every write to the end of its stream, all or none, durably.

        Returns at once. Versions are checked here, against every submit made before this one
        (committed or not), so a refused call never fails its neighbours and nothing of it is kept.

        Args:
            writes: 1 to ``WRITES_PER_SUBMIT_MAX`` writes to different streams, each of 1 to
                ``DRAFTS_PER_WRITE_MAX`` drafts with bodies of at most ``BODY_BYTES_MAX`` bytes.
            on_done: called exactly once, on the loop, never from inside ``submit``: with one
                ``Appended`` a write when all drafts survive a power cut, else with the error:
                ``StoreUnavailableError`` (nothing was written) or ``OutcomeUnknownError`` (the
                commit failed; the owner of the stream must replay). After a failure every submit
                that was waiting behind it fails too, since its versions rested on it.
                It must not raise.

        Raises:
            VersionConflictError: A stream is not at its expected version.
            StoreBusyError: ``PENDING_ROWS_MAX`` or ``PENDING_BYTES_MAX`` would be exceeded.
            StoreUnavailableError: The log is closed.
            ValueError: The writes break a limit, repeat a stream, or repeat an event id of their
                own or of a submit that still waits; or they are larger than what may wait at all.
                An id that is in the log already is not looked for here: it fails the commit
                (``StoreUnavailableError``).
        """

    def is_writing(self, stream: Stream) -> bool:
        """Say whether a submit to ``stream`` is still to be answered: more is about to be told.

        A hint that costs next to nothing: ``True`` may come a moment too long.
        """

    async def append(self, writes: Sequence[StreamWrite]) -> tuple[Appended, ...]:
        """Submit and wait. Same arguments and errors as :meth:`submit`, raised instead of passed.

        Cancellation: a write that has been submitted is not taken back, so a cancelled caller may
        find its drafts in the log. Callers rely on idempotency keys.
        """

    async def head(self, stream: Stream) -> int:
        """Return the version of the newest committed record of ``stream``; 0 when there is none."""

    async def read(
        self,
        stream: Stream,
        *,
        after: int = 0,
        limit: int = 256,
        newest_first: bool = False,
        before: int | None = None,
    ) -> list[StoredRecord]:
        """Return committed records of one stream, ``after < version < before``, in version order.

        ``newest_first`` reverses the order (and so which records fall under the ``limit``, at most
        ``READ_RECORDS_MAX``). An unknown stream has no records: the list is empty.
        Every record whose receipt was called before this call began is seen.

        Raises:
            StoreUnavailableError: The disk does not answer, or the log is closed.
            ValueError: ``after`` is below 0 or ``limit`` is not 1 to ``READ_RECORDS_MAX``.
        """

    async def find(self, event_id: bytes) -> StoredRecord | None:
        """Return the committed record of one event, or ``None``."""

    async def about(
        self, event_ids: Sequence[bytes], *, after: int = 0, limit: int = 256
    ) -> list[StoredRecord]:
        """Return committed records that are about one of the events, in position order.

        Args:
            event_ids: at most ``READ_RECORDS_MAX``.
            after: a position; only what lies behind it is returned.
            limit: 1 to ``READ_RECORDS_MAX`` records.

        Raises:
            StoreUnavailableError: The disk does not answer, or the log is closed.
            ValueError: A bound is broken.
        """

    async def version_at(self, stream: Stream, position: int) -> int:
        """Return the newest version of ``stream`` at or before ``position``; 0 if there is none."""
