"""The ledger of one environment, in memory."""

from collections.abc import Callable

import trio

from persistence.limits import check_ledger_entry, check_page


class MemoryLedger:
    """Entries, in order."""

    def __init__(self, kept: list[bytes], check_open: Callable[[], None]) -> None:
        """Keep the entries in ``kept``; ``check_open`` raises while the store does not run."""
        self._kept = kept
        self._check_open = check_open

    async def append(self, entry: bytes) -> int:
        """Add an entry; return its number."""
        check_ledger_entry(entry)
        await trio.lowlevel.checkpoint()
        self._check_open()
        self._kept.append(entry)
        return len(self._kept)

    async def read(self, *, after: int = 0, limit: int = 256) -> list[bytes]:
        """Return up to ``limit`` entries behind number ``after``."""
        check_page(after, limit)
        await trio.lowlevel.checkpoint()
        self._check_open()
        return self._kept[after : after + limit]
