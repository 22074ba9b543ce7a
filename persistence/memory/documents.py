"""Small documents with an end, in memory."""

from collections.abc import Callable

import trio

from persistence.limits import check_document

Kept = dict[str, tuple[bytes, int]]
"""Key → document and its expiry in Unix milliseconds."""


class MemoryDocuments:
    """Key → document, until it expires."""

    def __init__(self, kept: Kept, check_open: Callable[[], None]) -> None:
        """Keep the documents in ``kept``; ``check_open`` raises while the store does not run."""
        self._kept = kept
        self._check_open = check_open

    async def get(self, key: str, *, now_ms: int) -> bytes | None:
        """Return the document, or ``None`` if there is none or it has expired at ``now_ms``."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        document, expires_ms = self._kept.get(key, (None, now_ms))
        return document if expires_ms > now_ms else None

    async def put_absent(self, key: str, document: bytes, *, expires_ms: int, now_ms: int) -> bytes:
        """Keep ``document`` unless a live one is there; return the one that is kept now."""
        check_document(key, document)
        await trio.lowlevel.checkpoint()
        self._check_open()
        for expired in [name for name, kept in self._kept.items() if kept[1] <= now_ms]:
            del self._kept[expired]
        return self._kept.setdefault(key, (document, expires_ms))[0]
