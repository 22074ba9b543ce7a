"""A list of short entries that is only ever added to. Backups carry it beside the log."""

from typing import Protocol


class Ledger(Protocol):
    """What must be known even where log and keys come from an older copy."""

    async def append(self, entry: bytes) -> int:
        """Add an entry at the end; return its number: 1, 2, 3… without a gap.

        Durable: when this returns, the entry survives a power cut. After an error it is not there,
        or it is cut off before the next call does anything.

        Args:
            entry: 1 to ``LEDGER_ENTRY_BYTES_MAX`` bytes without a line break.

        Cancellation: a write that has begun is shielded.

        Raises:
            StoreUnavailableError: The entry was not added.
            ValueError: It is empty, too long, or holds a line break.
        """

    async def read(self, *, after: int = 0, limit: int = 256) -> list[bytes]:
        """Return the entries behind number ``after``, at most ``limit`` of them, in order.

        Raises:
            StoreUnavailableError: The disk does not answer, or the store does not run.
            ValueError: ``after`` is below 0 or ``limit`` is not 1 to ``READ_RECORDS_MAX``.
        """
