"""Small documents with an end: what must survive a restart but is no fact of the log."""

from typing import Protocol


class Documents(Protocol):
    """A durable map of key → bytes, each with an expiry in Unix ms of the caller's clock."""

    async def get(self, key: str, *, now_ms: int) -> bytes | None:
        """Return the document, or ``None`` if there is none or it has expired at ``now_ms``."""

    async def put_absent(self, key: str, document: bytes, *, expires_ms: int, now_ms: int) -> bytes:
        """Store ``document`` unless a live one is there; return the one that is stored now.

        Atomic and durable on return. Expired documents are removed as new ones come.

        Cancellation: a write that has begun is shielded.

        Raises:
            StoreUnavailableError: Nothing was written.
            ValueError: Longer than ``DOCUMENT_BYTES_MAX`` / ``DOCUMENT_KEY_CHARACTERS_MAX``.
        """
