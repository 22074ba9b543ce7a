"""The feed of one environment: every committed record, in position order."""

from collections.abc import Callable
from typing import Protocol

from persistence.records import StoredRecord

OnCommitted = Callable[[tuple[StoredRecord, ...]], None]


class Feed(Protocol):
    """Reads of the whole log, and in-process word of each commit."""

    def committed(self) -> int:
        """Return the position of the newest record that listeners have heard of; 0 if none is.

        Records beyond it may be on disk already; their listeners are about to be called. It moves
        just before they are, so who begins to listen inside a listener reads up to it and misses
        nothing.
        """

    async def read_feed(self, *, after: int = 0, limit: int = 256) -> list[StoredRecord]:
        """Return committed records with ``position > after``, in position order, without a hole.

        Args:
            after: 0 or more.
            limit: 1 to ``READ_RECORDS_MAX``.

        Raises:
            StoreUnavailableError: The disk does not answer, or the log is closed.
            ValueError: ``after`` or ``limit`` is out of range.
        """

    def listen(self, on_committed: OnCommitted) -> Callable[[], None]:
        """Call ``on_committed`` with every batch from now on; return the function that ends it.

        Called on the loop, after the receipts of the same commit, in position order, without a
        gap or a double, with the drafts' notes. It must not raise and must not await.
        Records that turn out to have survived a commit that failed come without notes.
        """
